"""What the emulator's tests share: one emulator, and a bucket with an entry point in it."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("moto.server", reason="the emulator needs moto[server]")
pytest.importorskip("sagemaker", reason="the tests speak the SageMaker SDK")
pytest.importorskip("sagemaker_training", reason="jobs run through the toolkit")
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")

from sagemaker_emulator import Emulator  # noqa: E402

from tests.sagemaker_emulator.lab import NEVER, Lab  # noqa: E402


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    work = tmp_path_factory.mktemp("emulator")
    options = {"quota": {NEVER: 2}, "rates": {"ListEndpoints": 2}}
    with Emulator(work, grace=1.5, upload_every=0.2, **options) as emulator:
        yield Lab(emulator)


@pytest.fixture
def lab(shared):
    """The shared emulator, with nothing that goes wrong left from other tests."""
    yield shared
    shared.emulator.faults.clear()
