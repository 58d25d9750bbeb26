"""Jobs that can reach the tracking server log to it while they run, below one run of their sweep."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.launchers.stub_hydra_app import until
from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.lab_sweeps import JOBS, Lab, metrics


@pytest.fixture
def server(tmp_path):
    """The port of an MLflow server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store, files = f"sqlite:///{tmp_path / 'server.db'}", str(tmp_path / "files")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", files, "--allowed-hosts", "*"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    until(answers, seconds=90)
    yield port
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


@pytest.mark.walk
@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"the extra aws or the emulator is not installed: {missing()}")
def test_jobs_log_live_below_one_run_of_their_sweep(tmp_path, server):
    from mlflow import MlflowClient

    lab, client = Lab(tmp_path, "seed=0,1"), MlflowClient(f"http://127.0.0.1:{server}")
    # An address that the lab takes for one of the network, and the system for that of loopback.
    uri = f"tracking.uri='http://[::ffff:127.0.0.1]:{server}'"
    long = ("train.env_steps=65536", "train.checkpoint_every=16384", "train.validate_every=16384")
    try:
        process, folder = lab.start("jobs", *JOBS, uri, "tracking.flush_every_s=0.5", *long)

        def runs():
            found = client.search_runs([one.experiment_id for one in client.search_experiments()])
            return [run for run in found if "mlflow.parentRunId" in run.data.tags], found

        until(lambda: any("train/reward_mean" in run.data.metrics for run in runs()[0]), seconds=180)
        assert process.poll() is None and not any((folder / n / "metrics.json").exists() for n in "01")
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        children, found = runs()
    finally:
        lab.close()
    assert len(children) == 2 and len(found) == 3
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in children}
    assert client.get_run(parent).info.status == "FINISHED"
    for run in children:
        assert run.info.status == "FINISHED"
        assert run.data.metrics["test/capture"] == pytest.approx(metrics(folder / run.info.run_name)["test/capture"])
