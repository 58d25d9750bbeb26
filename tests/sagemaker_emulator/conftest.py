"""What the emulator's tests share: one emulator, and a bucket with an entry point in it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDED = ("moto", "flask", "sagemaker", "sagemaker_training")  # flask stands for what moto[server] brings
# Without them only test_needs.py is collected, which says so.
collect_ignore = (
    []
    if all(find_spec(name) for name in NEEDED)
    else [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_needs.py"]
)
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    from sagemaker_emulator import Emulator

    from tests.sagemaker_emulator.lab import NEVER, Lab

    options = {"quota": {NEVER: 2}, "rates": {"ListEndpoints": 2}}
    with Emulator(tmp_path_factory.mktemp("emulator"), grace=1.5, upload_every=0.2, **options) as emulator:
        yield Lab(emulator)


@pytest.fixture
def lab(shared):
    """The shared emulator, with nothing that goes wrong left from other tests."""
    yield shared
    shared.emulator.faults.clear()
