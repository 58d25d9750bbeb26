"""An environment from outside the lab: one Python file and one YAML file train, evaluate, report and sweep it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.compositions import SMALL_ALGOS, SMALL_NETWORK, same_arrays
from tests.launchers.kill_harness import PATHS
from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.lab_sweeps import metrics

pytestmark = pytest.mark.first

HERE = Path(__file__).parent
SMALL = (
    "train.env_steps=2048",
    "train.checkpoint_every=1024",
    "train.validate_every=1024",
    "tracking=none",
    "rollout.compile=false",
)


def write_demand(path):
    demand = np.random.default_rng(0).integers(0, 10, 300)
    path.write_text("\n".join(map(str, demand)) + "\n")
    return path


def start(folder, *arguments):
    """Start a command in a folder, with the environment's own folder on PYTHONPATH."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *map(str, PATHS)])}
    command = [sys.executable, "-m", "battery_lab", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(folder, *arguments):
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("override", ["battery.capacity_mwh=20", "market=aemo", "observation.soc=true"])
def test_an_option_of_another_environment_is_refused_with_the_one_that_has_it(tmp_path, override):
    process = start(tmp_path, "--config-dir", HERE / "conf", "env=inventory", "env.path=demand.csv", override)
    output, _ = process.communicate(timeout=900)
    key = override.partition("=")[0]
    group = key.partition(".")[0]
    assert process.returncode == 1
    assert f"{key} is not an option of this trial: only env=battery has the group {group}" in output


def choices(folder):
    demand = write_demand(folder / "demand.csv")
    parts = ("env=inventory", f"env.path={demand}", *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK)
    return ("--config-dir", HERE / "conf", "--multirun", *parts, f"hydra.sweep.dir={folder / 'sweep'}")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep of two trials over the built-in launcher."""
    folder = tmp_path_factory.mktemp("inventory")
    run(folder, *choices(folder), "seed=0,1")
    return folder / "sweep"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The same sweep's first trial, sent as a job to the emulator of SageMaker."""
    folder = tmp_path_factory.mktemp("job")
    launcher = ("launcher=sagemaker_rehearsal", "hydra.launcher.poll_interval_s=1", f"outputs={folder / 'outputs'}")
    try:
        run(folder, *choices(folder), *launcher, "seed=0")
        yield folder / "sweep" / "0"
    finally:
        for path in folder.glob("outputs/rehearsal/*/address.json"):
            os.kill(json.loads(path.read_text())["pid"], signal.SIGTERM)


@pytest.mark.walk
def test_trials_are_trained_validated_and_evaluated(sweep):
    for trial in (sweep / "0", sweep / "1"):
        metrics = json.loads((trial / "metrics.json").read_text())
        assert metrics["train/env_steps"] >= 2048
        assert metrics["test/capture"] <= 1
        assert {"test/profit_per_day", "test/stock_mean", "baseline/always_five/capture"} <= set(metrics)
        assert len(pd.read_parquet(trial / "dispatch.parquet")) == 60
        curves = [json.loads(line) for line in (trial / "curves.jsonl").read_text().splitlines()]
        assert any("train/profit_per_day" in line for line in curves)
        assert any("validation/capture" in line for line in curves)


@pytest.mark.walk
def test_reports_show_its_own_metrics_and_plots(sweep):
    page = (sweep / "0" / "report.html").read_text()
    assert "could not be drawn" not in page
    for text in ("<h3>Stock</h3>", "300 days", "mean stock", "EUR/day", "Learning: profit", "always five", "foresight"):
        assert text in page, text


@pytest.mark.walk
def test_a_stored_policy_is_evaluated_with_the_overrides_that_it_declares(sweep):
    output = run(sweep.parent, "evaluate", f"run={sweep / '0'}", "env.price=12")
    assert "foresight" in output and "EUR/day" in output
    process = start(sweep.parent, "evaluate", f"run={sweep / '0'}", "market.path=x")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and "market.path" in output


@pytest.mark.walk
@pytest.mark.skipif(bool(missing()), reason=f"the extra aws or the emulator is not installed: {missing()}")
def test_a_job_with_its_code_and_data_gives_the_figures_of_the_trial_here(sweep, job):
    assert metrics(job) == metrics(sweep / "0")
    log = (job / "trial.log").read_text()
    assert "train/profit_per_day=" in log and "test/stock_mean=" in log


def test_the_vector_environment_resumes_from_its_state():
    from tests.inventory_env.inventory import InventoryVectorEnv

    demand = np.random.default_rng(0).integers(0, 10, 100).astype(float)
    first, second = (InventoryVectorEnv(demand, (10.0, 4.0), 5, seed) for seed in (0, 1))
    first.reset()
    for _ in range(40):
        first.step(np.full(5, 1))
    second.set_state(first.get_state())
    actions = np.random.default_rng(1).integers(0, 3, (40, 5))
    for action in actions:
        for values, other_values in zip(first.step(action)[:4], second.step(action)[:4], strict=True):
            np.testing.assert_array_equal(values, other_values)
    assert same_arrays(first.take_log(), second.take_log())
