"""Trial folders: result, checkpoint, lock and progress of a trial."""

from __future__ import annotations

import json
import math

import pytest
from filelock import FileLock

from battery_lab.common.errors import LabError
from battery_lab.sweep.trial_folder import (
    ProgressReader,
    checkpoint_steps,
    is_locked,
    move_aside,
    read_result,
    reset_folder,
)
from battery_lab.tracking.run_log import RunLog


def write_curves(folder, *points):
    """Append points of (steps, time, capture or None) to the curves."""
    with (folder / "curves.jsonl").open("a") as file:
        for steps, time, capture in points:
            line = {"env_steps": steps, "time": time}
            file.write(json.dumps(line if capture is None else line | {"validation/capture": capture}) + "\n")


def test_progress_follows_growing_curves(tmp_path):
    reader = ProgressReader(tmp_path)
    progress = reader.read()
    assert (progress.env_steps, progress.capture, progress.steps_per_second) == (0, None, None)
    write_curves(tmp_path, (100, 10.0, None), (200, 11.0, 0.3))
    progress = reader.read()
    assert (progress.env_steps, progress.capture, progress.steps_per_second) == (200, 0.3, 100.0)
    write_curves(tmp_path, (300, 14.0, 0.2), (400, 15.0, 0.5))
    progress = reader.read()
    assert (progress.env_steps, progress.capture, progress.steps_per_second) == (400, 0.5, 60.0)
    assert progress.validations == [(200, 0.3), (300, 0.3), (400, 0.5)]


def test_rewound_curves_are_read_from_the_start(tmp_path):
    reader = ProgressReader(tmp_path)
    log = RunLog(tmp_path)
    for steps in (100, 200, 300):
        log.log({"validation/capture": steps / 1000}, steps)
    assert reader.read().env_steps == 300
    log.rewind(100)
    log.close()
    progress = reader.read()
    assert (progress.env_steps, progress.validations) == (100, [(100, 0.1)])


@pytest.mark.parametrize(
    ("text", "result"), [('{"validation/capture": 0.5}', 0.5), ("{", None), ("[]", None), (None, None)]
)
def test_only_a_finished_run_has_a_result(tmp_path, text, result):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    assert read_result(tmp_path) == result


@pytest.mark.parametrize("text", ['{"validation/capture": null}', "{}"])
def test_a_finished_run_without_a_capture_has_result_nan(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    assert math.isnan(read_result(tmp_path))


def test_incomplete_checkpoints_do_not_count(tmp_path):
    assert checkpoint_steps(tmp_path) is None
    for name in ("000000000050", "000000000100", "part-1"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "000000000050" / "state.json").write_text("{}")
    assert checkpoint_steps(tmp_path) == 50


def test_reset_keeps_logs_and_the_tracking_id(tmp_path):
    for name in ("trial.log", "battery_lab.log", "mlflow.json", "curves.jsonl", "metrics.json", "report.html"):
        (tmp_path / name).write_text("")
    (tmp_path / "checkpoints" / "x").mkdir(parents=True)
    reset_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["battery_lab.log", "mlflow.json", "trial.log"]
    reset_folder(tmp_path / "missing")


def test_folders_of_another_version_are_renamed(tmp_path):
    for content in ("old", "older"):
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "metrics.json").write_text(content)
        move_aside(tmp_path / "3", "0123")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.0123", "3.0123_"]
    assert (tmp_path / "3.0123" / "metrics.json").read_text() == "old"
    move_aside(tmp_path / "3", "0123")
    (tmp_path / "3").mkdir()
    with FileLock(tmp_path / "3" / ".lock"), pytest.raises(LabError, match="in use by a run of another version"):
        move_aside(tmp_path / "3", "0123")


def test_a_folder_is_locked_while_a_process_uses_it(tmp_path):
    assert not is_locked(tmp_path)
    with FileLock(tmp_path / ".lock"):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
