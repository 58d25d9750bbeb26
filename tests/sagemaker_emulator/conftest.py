"""Shared emulator of its tests, with a bucket and an entry point in it, and a session of the SageMaker SDK."""

from __future__ import annotations

import os
import socket
import sys
import time
import types
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


@pytest.fixture
def loopback_only(monkeypatch):
    """Allow connections to this machine only, and fail the test if others were tried."""
    connect, tried = socket.socket.connect, []

    def guarded(self, address):
        if self.family != socket.AF_UNIX and not address[0].startswith("127."):
            tried.append(address)
            raise OSError(f"a test would reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
    assert not tried


@pytest.fixture
def session(lab, monkeypatch, tmp_path, loopback_only):
    """A session of the SDK with the emulator, without settings of the user."""
    from tests.sagemaker_emulator.stub_jobs import BUCKET

    for name, value in lab.emulator.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "SAGEMAKER_USER_CONFIG_OVERRIDE"):
        path = tmp_path / f"{name}.yaml"
        path.write_text("SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n")
        monkeypatch.setenv(name, str(path))
    hook = sys.excepthook
    sagemaker = pytest.importorskip("sagemaker")
    sys.excepthook = hook  # importing the SDK replaces it
    # The SDK sleeps 5 s before its first request in attach and before it prints logs.
    without_sleep = types.ModuleType("time")
    vars(without_sleep).update(vars(time) | {"sleep": lambda _: time.sleep(0.05)})
    monkeypatch.setattr("sagemaker.session.time", without_sleep)
    return sagemaker.Session(boto_session=lab.emulator.session, default_bucket=BUCKET)
