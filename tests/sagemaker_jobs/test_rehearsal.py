"""The lab's own trials as jobs of an emulator: the same folders and figures as those of trials that run here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market
from tests.launchers.kills import BUDGET, PATHS, TIMES
from tests.sagemaker_jobs.conftest import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the extras aws and rehearsal are not installed: {missing()}")
LOCAL, REHEARSAL = ("hydra.launcher.parallel=2",), ("launcher=sagemaker_rehearsal", "hydra.launcher.poll_interval_s=1")


class Lab:
    """Sweeps of the lab in a folder."""

    def __init__(self, home, swept):
        """Make the market."""
        self.home, self.swept = home, swept
        market = [choice for choice in write_market(home / "data") if not choice.startswith("outputs=")]
        self.choices = [*market, *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK, "algo=ppo", *BUDGET]

    def sweep(self, name, launcher):
        """Run the sweep by a launcher; returns its folder."""
        folder = self.home / name / "sweep"
        command = [sys.executable, "-m", "battery_lab", "--multirun", *self.choices, *self.swept, *launcher]
        command += [f"hydra.sweep.dir={folder}", f"outputs={self.home / name}"]
        done = subprocess.run(command, cwd=self.home, env=variables(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return folder


def variables():
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {"PYTHONPATH": os.pathsep.join(PATHS)}


def figures(folder):
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in found.items() if name not in TIMES and not name.startswith("job/")}


def curves(folder):
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def runs(outputs):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return (
        client,
        [r for r in found if "mlflow.parentRunId" in r.data.tags],
        [r for r in found if "mlflow.parentRunId" not in r.data.tags],
    )


@pytest.fixture(scope="module", params=[2, pytest.param(6, marks=pytest.mark.slow)])
def both(request, tmp_path_factory):
    """The same sweep here and as jobs, and how many trials it has."""
    count = request.param
    lab = Lab(tmp_path_factory.mktemp("lab"), [f"seed=range(0,{count})"])
    yield count, lab.sweep("here", LOCAL), lab.sweep("jobs", REHEARSAL)
    os.kill(json.loads((lab.home / "jobs" / "rehearsal" / "address.json").read_text())["pid"], 15)


def test_jobs_leave_what_trials_here_leave(both):
    count, here, jobs = both
    for number in map(str, range(count)):
        assert figures(jobs / number) == figures(here / number)
        assert curves(jobs / number) == curves(here / number)
        for name in ("report.html", "dispatch.parquet", "policy", "trial.yaml", "trial.log", "job.json"):
            assert (jobs / number / name).exists(), name


def test_jobs_stand_under_their_sweep_in_mlflow(both):
    count, _, jobs = both
    client, children, parents = runs(jobs.parent)
    (parent,) = parents
    assert parent.info.status == "FINISHED" and len(children) == count
    for child in children:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        points = client.get_metric_history(child.info.run_id, "validation/capture")
        assert len({point.step for point in points}) > 1


def test_the_best_of_an_experiment_comes_first(both, monkeypatch):
    from sagemaker_emulator import connect
    from sagemaker_jobs.connection import Connection
    from sagemaker_jobs.experiments import ranked
    from sagemaker_jobs.record import Record

    count, _, jobs = both
    for name, value in connect(jobs.parent / "rehearsal").environment.items():
        monkeypatch.setenv(name, value)
    record = Record.read(jobs)
    listed = ranked(Connection(record.region, record.places.bucket), record.experiment)
    captures = list(listed["validation/capture - Max"])
    assert len(captures) == count and captures == sorted(captures, reverse=True)
    best = max(figures(jobs / str(number))["validation/capture"] for number in range(count))
    assert captures[0] == pytest.approx(best)
