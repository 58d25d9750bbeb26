"""Sweeps of the lab's own trials, here and through the rehearsal's emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market
from tests.launchers.kills import BUDGET, PATHS, TIMES

HERE, JOBS = ("hydra.launcher.parallel=2",), ("launcher=sagemaker_rehearsal", "hydra.launcher.poll_interval_s=1")


class Lab:
    """Sweeps of the lab in a folder."""

    def __init__(self, home, *swept):
        """Make the market.

        Args:
            home: the folder.
            swept: what all sweeps sweep.
        """
        self.home, self.swept = home, swept
        market = [choice for choice in write_market(home / "data") if not choice.startswith("outputs=")]
        self.choices = [*market, *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK, "algo=ppo", *BUDGET]

    def start(self, name, *choices):
        """Give a sweep's command in a folder of its own; returns the process and the sweep's folder."""
        folder = self.home / name / "sweep"
        command = [sys.executable, "-m", "battery_lab", "--multirun", *self.choices, *self.swept, *choices]
        command += [f"hydra.sweep.dir={folder}", f"outputs={self.home / 'outputs'}"]
        return self._begun(command), folder

    def sweep(self, name, *choices, status=0):
        """Run a sweep to its end; returns its folder."""
        process, folder = self.start(name, *choices)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == status, said
        return folder

    def run(self, module, *arguments):
        """Run another command of the lab; returns what it says."""
        process = self._begun([sys.executable, "-m", module, *arguments])
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    def _begun(self, command):
        # With an account that must not be asked for anything.
        own = {"PYTHONPATH": os.pathsep.join(PATHS), "AWS_PROFILE": "somebody", "AWS_ENDPOINT_URL_S3": "http://[::1]:1"}
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def emulator(self, kind="plain"):
        """The emulator that the sweeps were sent to."""
        from sagemaker_emulator import connect

        return connect(self.home / "outputs" / "rehearsal" / kind)

    def close(self):
        """End the emulators."""
        for path in self.home.glob("outputs/rehearsal/*/address.json"):
            os.kill(json.loads(path.read_text())["pid"], signal.SIGTERM)

    def runs(self):
        """MLflow's client, and the runs of trials and of sweeps."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.home / 'outputs' / 'mlflow.db'}")
        found = client.search_runs([one.experiment_id for one in client.search_experiments()])
        children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
        return client, children, [run for run in found if "mlflow.parentRunId" not in run.data.tags]


def figures(folder: Path):
    """What a trial came to, without what its time and its job came to."""
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in found.items() if name not in TIMES and not name.startswith("job/")}


def curves(folder: Path):
    """Its curves, without their times."""
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]
