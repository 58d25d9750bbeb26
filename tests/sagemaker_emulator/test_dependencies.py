"""Dependencies of the emulator."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.sagemaker_emulator.conftest import NEEDED

PACKAGE = Path(__file__).parents[2] / "launchers" / "sagemaker_emulator"


@pytest.mark.parametrize("name", NEEDED)
def test_needed_packages_are_installed(name):
    if find_spec(name) is None:
        pytest.skip(f"the emulator and its tests need {name}")


def test_the_emulator_does_not_mention_the_lab():
    files = sorted(PACKAGE.rglob("*.py"))
    assert files
    for path in files:
        text = path.read_text()
        assert "battery_lab" not in text and "hydra" not in text, path
