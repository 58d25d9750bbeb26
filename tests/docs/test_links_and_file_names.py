"""Links outside docs/ and names of files in all pages lead to files; `make lint` checks the links in docs/."""

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


PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
# A file of the project in running text, such as `conf/algo/ppo.yaml`; `<x>` and `*` stand for names.
PATH = re.compile(r"`((?:battery_lab|benchmarks|conf|launchers|sagemaker_jobs|tests)/[\w/.-]+\.(?:py|yaml))`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page):
    paths = PATH.findall(page.read_text())
    assert [path for path in paths if not any((root / path).is_file() for root in (ROOT, ROOT / "launchers"))] == []


def test_a_name_that_leads_nowhere_is_found():
    assert PATH.findall("in `battery_lab/nowhere.py` and `my_lab/x.py`, `conf/algo/<x>.yaml`") == [
        "battery_lab/nowhere.py"
    ]
