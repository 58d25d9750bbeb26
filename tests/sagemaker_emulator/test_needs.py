"""What the emulator needs, and what it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sagemaker_emulator.conftest import NEEDED

PACKAGE = Path(__file__).parents[2] / "launchers" / "sagemaker_emulator"


@pytest.mark.parametrize("name", NEEDED)
def test_what_it_needs_is_there(name):
    pytest.importorskip(name, reason=f"the emulator and its tests need {name}")


def test_it_knows_nothing_of_the_lab():
    files = sorted(PACKAGE.glob("*.py"))
    assert len(files) > 10
    for path in files:
        text = path.read_text()
        assert "battery_lab" not in text and "hydra" not in text, path
