"""Sweeps of the lab's own trials, on this machine and as jobs of the rehearsal's emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market
from tests.launchers.kill_harness import BUDGET, PATHS, TIME_METRICS

TIMEOUT_S = 900  # on a busy machine
LOCAL, JOBS = ("hydra.launcher.parallel=2",), ("launcher=sagemaker_rehearsal", "hydra.launcher.poll_interval_s=1")


class Lab:
    """Sweeps of the lab in a folder."""

    def __init__(self, home, *swept):
        """Write the market.

        Args:
            home: the folder.
            swept: overrides that all sweeps sweep.
        """
        self.home, self.swept = home, swept
        market = [choice for choice in write_market(home / "data") if not choice.startswith("outputs=")]
        self.choices = [*market, *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK, "algo=ppo", *BUDGET]

    def start(self, name, *choices):
        """Start a sweep in a folder of its own; returns the process and the sweep's folder."""
        folder = self.home / name / "sweep"
        command = [sys.executable, "-m", "battery_lab", "--multirun", *self.choices, *self.swept, *choices]
        command += [f"hydra.sweep.dir={folder}", f"outputs={self.home / 'outputs'}"]
        return self._start_process(command), folder

    def sweep(self, name, *choices, status=0):
        """Run a sweep; returns its folder."""
        process, folder = self.start(name, *choices)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        assert process.returncode == status, output
        return folder

    def run(self, *arguments):
        """Run another command of the lab; returns its output."""
        process = self._start_process([sys.executable, "-m", "battery_lab", *arguments])
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, output
        return output

    def _start_process(self, command):
        # With an account that must not receive any request.
        variables = {
            "PYTHONPATH": os.pathsep.join(PATHS),
            "AWS_PROFILE": "someone",
            "AWS_ENDPOINT_URL_S3": "http://[::1]:1",
        }
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def emulator(self, kind="plain"):
        """Return the emulator that received the jobs."""
        from sagemaker_emulator import connect

        return connect(self.home / "outputs" / "rehearsal" / kind)

    def close(self):
        """Stop the emulators."""
        for path in self.home.glob("outputs/rehearsal/*/address.json"):
            os.kill(json.loads(path.read_text())["pid"], signal.SIGTERM)

    def runs(self):
        """Return MLflow's client, the runs of trials, and the runs of sweeps."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.home / 'outputs' / 'mlflow.db'}")
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        return client, children, [run for run in runs if "mlflow.parentRunId" not in run.data.tags]


def metrics(folder: Path):
    """Return the metrics of a trial, without those of its time and its job."""
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in found.items() if name not in TIME_METRICS and not name.startswith("job/")}


def curves(folder: Path):
    """Return the curves of a trial, without their times."""
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIME_METRICS} for line in lines]
