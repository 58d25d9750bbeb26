"""MLflow run sync: every point arrives once, also after a resume, a kill or a store that failed."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from battery_lab.common.run_folder import RunFolder
from battery_lab.tracking import RunLog
from battery_lab.tracking.mlflow_run_sync import RunSync
from battery_lab.tracking.mlflow_sync_state import read_sync_state
from tests.tracking.tracked_runs_and_stores import Run, points, stored, tracker


def test_run_is_sent_with_parameters_curves_metrics_tags_and_files(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs), reward=[{"weight": 2.0}], network={"hidden": [16, 16]})
    run.store_trial()
    tracking = run.train(range(0, 50, 10))
    run.evaluate(**{"test/capture": 0.5, "train/env_steps": 40.0})
    tracking.finish("FINISHED")
    found = stored(run.folder)
    assert found.data.params["algo.lr"] == "0.0003"
    assert found.data.params["reward.0.weight"] == "2.0"
    assert found.data.params["network.hidden"] == "[16, 16]"
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(0, 50, 10)]
    assert found.data.metrics["test/capture"] == 0.5
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert found.data.tags["battery_lab.version"]
    kept = outputs / "mlartifacts" / found.info.run_id / "artifacts"
    names = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
    assert names == {"metrics.json", "report.html", "policy/weights.safetensors", "trial.yaml"}
    assert not (outputs.parent / "mlruns").exists()


def test_choices_become_parameters_and_tags_of_a_run_sent_before_without_them(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.train(range(3)).finish("KILLED")
    assert "choice.reward" not in stored(run.folder).data.tags
    run.config["choices"] = {"algo": "ppo", "reward": "degradation"}
    run.train(range(3, 5), resume_at=2).finish("FINISHED")
    data = stored(run.folder).data
    assert (data.params["choice.reward"], data.tags["choice.reward"]) == ("degradation", "degradation")
    assert data.tags["choice.algo"] == "ppo"


def test_final_metric_is_the_last_point_of_a_curve_with_its_name(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    tracking = run.train(range(3))
    run.evaluate(**{"validation/capture": 0.9, "train/reward": 2.0, "train/env_steps": 2.0})
    tracking.finish("FINISHED")
    assert stored(run.folder).data.metrics["validation/capture"] == 0.9
    assert points(run.folder)["validation/capture"] == [(0, 0.0), (1, 0.001), (2, 0.002), (3, 0.9)]
    assert points(run.folder)["train/reward"] == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_final_metrics_arrive_if_the_run_ended_before_its_last_sent_step(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.train(range(10)).finish("KILLED")
    tracking = run.train(range(3, 5), resume_at=2)
    run.evaluate(**{"validation/capture": 0.9, "train/env_steps": 4.0})
    tracking.finish("FINISHED")
    assert stored(run.folder).data.metrics["validation/capture"] == 0.9


def test_curves_arrive_during_the_run(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs, flush_every_s=0.05))
    tracking = run.train(range(3))
    until = time.monotonic() + 30
    while not any(store["env_steps"] == 2 for store in read_sync_state(run.folder)["stores"].values()):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert stored(run.folder).info.status == "RUNNING"
    assert len(points(run.folder)["train/reward"]) == 3
    tracking.finish("KILLED")
    assert stored(run.folder).info.status == "KILLED"


def test_resumed_run_continues_the_same_mlflow_run_without_duplicates(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.train(range(0, 50, 10)).finish("KILLED")
    first = stored(run.folder).info.run_id
    run.config["algo"] = {"lr": 1e-4}
    run.train(range(30, 80, 10), resume_at=20).finish("FINISHED")
    assert stored(run.folder).info.run_id == first
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(0, 80, 10)]
    assert stored(run.folder).info.status == "FINISHED"
    assert stored(run.folder).data.params["algo.lr"] == "0.0003"
    assert stored(run.folder).data.tags["resumed.algo.lr"] == "0.0001"


def test_kill_before_the_sync_state_was_written_causes_no_duplicates(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.train(range(5)).finish("KILLED")
    (store,) = read_sync_state(run.folder)["stores"].values()
    behind = {**read_sync_state(run.folder), "stores": {}}
    RunFolder(run.folder).sync_state.write_text(json.dumps(behind))
    run.train(range(3, 8), resume_at=2).finish("FINISHED")
    assert stored(run.folder).info.run_id == store["run_id"]
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(8)]


def test_nan_points_are_not_sent(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    tracking = run.train(range(1))
    with (run.folder / "curves.jsonl").open("a") as file:
        file.write('{"env_steps": 1, "time": 1.0, "train/reward": null, "other": 1.0}\n')
    run.evaluate(**{"test/capture": math.nan, "train/env_steps": 1.0})
    tracking.finish("FINISHED")
    assert points(run.folder) == {
        "train/reward": [(0, 0.0)],
        "validation/capture": [(0, 0.0)],
        "other": [(1, 1.0)],
        "train/env_steps": [(1, 1.0)],
    }


def test_more_points_and_parameters_than_one_batch(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs), many={f"p{number:03d}": number for number in range(250)})
    run.train(range(1200)).finish("FINISHED")
    assert len(points(run.folder)["train/reward"]) == 1200
    assert stored(run.folder).data.params["many.p249"] == "249"


def test_store_that_fails_between_batches_receives_the_rest_later(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    run = Run(outputs / "run", tracker(outputs))
    log = RunLog(run.folder)
    delivery = RunSync(run.folder, "run", run.config, run.tracking.address())
    delivery.send(None)
    for step in range(1500):
        log.log({"train/reward": float(step)}, step)
    log.close()
    calls, log_batch = [], MlflowClient.log_batch

    def fail_at_second(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("gone")
        log_batch(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", fail_at_second)
    with pytest.raises(OSError, match="gone"):
        delivery.send(None)
    assert len(points(run.folder)["train/reward"]) == 1000
    assert delivery.send("FINISHED") == 500
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(1500)]
