"""Small experiments: files, metrics, status, reproducibility, resuming, and what is refused."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace

import pandas as pd
import pytest
from filelock import FileLock

from battery_lab.cli.commands import evaluate
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment import checkpoint
from battery_lab.experiment.experiment import Experiment, choose_actions
from battery_lab.experiment.trainer import Interrupted
from tests.experiment.run_interruption_and_comparison import Killed, killed, same_result, stop_at
from tests.experiment.small_runs import TRACKER, other_prices, run

pytestmark = pytest.mark.usefixtures("no_report")

# SAC shares its run loop with DQN and takes longest.
ALGOS = ("ppo", "dqn", pytest.param("sac", marks=pytest.mark.walk))


# For tests that train again: PPO in `make test`, the other algorithms in `make test-walks`.
TRAINS_AGAIN = pytest.mark.parametrize(
    "finished",
    ["ppo", pytest.param("dqn", marks=pytest.mark.walk), pytest.param("sac", marks=pytest.mark.walk)],
    indirect=True,
)


@pytest.fixture(scope="module", params=ALGOS)
def finished(request, tmp_path_factory):
    """An uninterrupted run of each algorithm, with its report: `no_report` applies only after this."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    return request.param, folder, run(folder, request.param)


def test_run_folder_holds_all_results(finished):
    algo, folder, metrics = finished
    names = {path.name for path in folder.iterdir()}
    assert {"metrics.json", "dispatch.parquet", "report.html", "policy", "checkpoints", "curves.jsonl",
            "test_looks.jsonl", "trial.yaml"} <= names  # fmt: skip
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    for baseline in ("random", "rule", "receding_horizon", "stochastic_dp", "perfect_foresight"):
        assert metrics[f"baseline/{baseline}/profit_per_day"] <= metrics["baseline/perfect_foresight/profit_per_day"]
    assert metrics["test/capture"] < 1
    assert metrics["train/env_steps"] >= 2048
    # Runs of earlier versions have these names.
    kept = {path.name for path in checkpoint.latest(folder / "checkpoints")[0].iterdir()}
    assert kept == {"state.json", "kept_policy", "rllib"} | ({"replay"} if algo != "ppo" else set())
    frame = pd.read_parquet(folder / "dispatch.parquet")
    assert len(frame) == 4 * 288
    assert set(frame.policy) == {algo}
    assert frame.profit.sum() / 4 == pytest.approx(metrics["test/profit_per_day"])


def test_curves_are_logged_against_environment_steps(finished):
    _, folder, _ = finished
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    steps = [line["env_steps"] for line in lines]
    assert steps == sorted(steps)
    assert any("train/profit_per_day" in line for line in lines)
    assert any("validation/capture" in line for line in lines)
    assert any(key.startswith("reward_terms/regret") for line in lines for key in line)


def test_policies_are_stored_without_pickle(finished):
    _, folder, _ = finished
    assert {path.suffix for path in (folder / "policy").iterdir()} == {".json", ".safetensors"}


def test_one_look_at_test_time_is_recorded(finished):
    algo, folder, _ = finished
    looks = [json.loads(line) for line in (folder / "test_looks.jsonl").read_text().splitlines()]
    assert [look["policy"] for look in looks] == [algo]


@TRAINS_AGAIN
def test_same_seed_gives_the_same_run(finished, tmp_path):
    algo, folder, _ = finished
    run(tmp_path / algo, algo)
    same_result(folder, tmp_path / algo)


def test_other_seed_gives_another_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    run(folder / "zero", "ppo")
    run(folder / "one", "ppo", "seed=1")
    with pytest.raises(AssertionError):
        same_result(folder / "zero", folder / "one")


def test_stopped_and_resumed_run_equals_an_uninterrupted_one(finished, tmp_path, monkeypatch):
    algo, folder, _ = finished
    number = signal.SIGINT if algo == "dqn" else signal.SIGTERM
    stopped = tmp_path / algo
    with monkeypatch.context() as patch:
        # Between checkpoints and validations.
        stop_at(patch, 700, lambda: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted) as caught:
            run(stopped, algo)
    assert caught.value.number == number
    assert not (stopped / "metrics.json").exists()
    run(stopped, algo, resume=True)
    same_result(folder, stopped)


@TRAINS_AGAIN
def test_killed_and_resumed_run_equals_an_uninterrupted_one(finished, tmp_path, monkeypatch):
    algo, folder, _ = finished
    stopped = tmp_path / algo
    with monkeypatch.context() as patch:
        stop_at(patch, 1700, killed)
        with pytest.raises(Killed):
            run(stopped, algo)
    progress = checkpoint.latest(stopped / "checkpoints")[1]
    assert 1024 <= progress.env_steps < 1700
    run(stopped, algo, resume=True)
    same_result(folder, stopped)
    before, after = ([json.loads(x) for x in (f / "curves.jsonl").read_text().splitlines()] for f in (folder, stopped))
    assert [line["env_steps"] for line in before] == [line["env_steps"] for line in after]


def test_run_without_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(DataError, match="holds no checkpoint: the run stopped before its first one"):
        run(tmp_path / "empty", "ppo", resume=True)


def test_run_cannot_be_resumed_on_other_prices(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 700, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            run(tmp_path / "run", "ppo")
    with pytest.raises(ConfigError, match="the data, or their split by time, differ"):
        run(tmp_path / "run", "ppo", f"market.path={other_prices(tmp_path)}", resume=True)


def test_resuming_a_finished_run_evaluates_again_without_training(finished):
    algo, folder, metrics = finished
    # The training duration is equal, too.
    assert run(folder, algo, resume=True) == metrics


def test_incomplete_checkpoint_is_ignored(finished, tmp_path):
    _, folder, _ = finished
    checkpoints = folder / "checkpoints"
    (checkpoints / "part-1234").mkdir()
    (checkpoints / "999999999999").mkdir()
    assert checkpoint.latest(checkpoints)[1].env_steps < 10_000


def test_newest_checkpoints_are_kept(finished):
    _, folder, _ = finished
    assert len(checkpoint.list_checkpoints(folder / "checkpoints")) <= 2


def test_metrics_are_those_of_the_stored_policy(finished):
    _, folder, metrics = finished
    again = evaluate.main([f"run={folder}"])
    assert {key: metrics[key] for key in again} == again
    assert len((folder / "test_looks.jsonl").read_text().splitlines()) >= 2


def test_tracker_receives_the_status_of_a_finished_run(finished):
    _, folder, _ = finished
    assert TRACKER.statuses[folder] == "FINISHED"


def test_first_kind_of_actions_of_the_environment_is_chosen():
    algo = SimpleNamespace(action_kinds=("continuous", "discrete"))
    assert choose_actions(SimpleNamespace(offers=("discrete", "continuous")), algo) == "discrete"
    assert choose_actions(SimpleNamespace(offers=("continuous",)), algo) == "continuous"


def test_folder_that_holds_a_run_is_refused(finished):
    algo, folder, _ = finished
    with pytest.raises(ConfigError, match=r"holds a run already.*resume=.*another hydra\.run\.dir"):
        run(folder, algo)


def test_running_run_is_refused(finished):
    algo, folder, _ = finished
    with FileLock(folder / ".lock"), pytest.raises(ConfigError, match="belongs to a run that is still running"):
        run(folder, algo, resume=True)


@pytest.mark.parametrize(("error", "status"), [(Interrupted(signal.SIGTERM, None), "KILLED"), (DataError(), "FAILED")])
def test_tracker_receives_the_status_of_a_run_that_did_not_finish(tmp_path, monkeypatch, error, status):
    def build_learner(self, source):
        raise error

    monkeypatch.setattr(Experiment, "build_learner", build_learner)
    with pytest.raises(type(error)):
        run(tmp_path / "run", "ppo")
    assert TRACKER.statuses[tmp_path / "run"] == status
