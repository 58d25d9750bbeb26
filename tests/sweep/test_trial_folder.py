"""Trial folders: result, checkpoint and lock of a trial."""

from __future__ import annotations

import math

import pytest
from filelock import FileLock

from battery_lab.common.errors import LabError
from battery_lab.sweep.trial_folder import (
    checkpoint_steps,
    is_locked,
    move_aside,
    read_result,
    reset_folder,
)


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
