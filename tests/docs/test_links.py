"""Links of the pages outside docs/ lead to files; `make lint` checks those of docs/ itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    links = LINK.findall((ROOT / page).read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
