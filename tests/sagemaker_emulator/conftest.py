"""Shared emulator of its tests, with a bucket and an entry point in it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDED = ("moto", "flask", "sagemaker", "sagemaker_training")  # flask: of moto[server]
# Without them only test_dependencies.py is collected, which reports it.
collect_ignore = (
    []
    if all(find_spec(name) for name in NEEDED)
    else [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_dependencies.py"]
)
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that use an emulator as walks."""
    starting = {"shared", "tmp_path", "tmp_path_factory"}
    for item in items:
        if Path(__file__).parent in item.path.parents and starting & set(item.fixturenames):
            item.add_marker(pytest.mark.walk)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    from sagemaker_emulator import Emulator

    from tests.sagemaker_emulator.stub_jobs import NEVER, Lab

    options = {"quota": {NEVER: 2}, "rates": {"ListEndpoints": 2}}
    with Emulator(tmp_path_factory.mktemp("emulator"), grace=1.5, upload_every=0.2, **options) as emulator:
        yield Lab(emulator)


@pytest.fixture
def lab(shared):
    """The shared emulator, without faults of other tests."""
    yield shared
    shared.emulator.faults.clear()
