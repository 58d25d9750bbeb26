"""What the folder of a trial says, while it runs and afterwards."""

from __future__ import annotations

import json
import math

import pytest
from filelock import FileLock

from battery_lab.common.errors import LabError
from battery_lab.sweep.trial_folder import Watch, checkpoint_steps, is_locked, move_aside, read_result, reset_folder
from battery_lab.tracking.run_log import RunLog


def lines(folder, *points):
    """Write curves of (steps, time, capture or None)."""
    with (folder / "curves.jsonl").open("a") as file:
        for steps, at, capture in points:
            line = {"env_steps": steps, "time": at}
            file.write(json.dumps(line if capture is None else line | {"validation/capture": capture}) + "\n")


def test_progress_is_told_as_curves_grow(tmp_path):
    watch = Watch(tmp_path)
    assert (watch.look().env_steps, watch.look().capture, watch.look().rate) == (0, None, None)
    lines(tmp_path, (100, 10.0, None), (200, 11.0, 0.3))
    assert (watch.look().env_steps, watch.look().capture, watch.look().rate) == (200, 0.3, 100.0)
    lines(tmp_path, (300, 14.0, 0.2), (400, 15.0, 0.5))
    progress = watch.look()
    assert (progress.env_steps, progress.capture, progress.rate) == (400, 0.5, 60.0)
    assert progress.looks == [(200, 0.3), (300, 0.3), (400, 0.5)]


def test_a_curve_that_was_rewound_is_read_from_its_beginning(tmp_path):
    watch = Watch(tmp_path)
    log = RunLog(tmp_path)
    for steps in (100, 200, 300):
        log.log({"validation/capture": steps / 1000}, steps)
    assert watch.look().env_steps == 300
    log.rewind(100)
    log.close()
    progress = watch.look()
    assert (progress.env_steps, progress.looks) == (100, [(100, 0.1)])


@pytest.mark.parametrize(
    ("text", "result"), [('{"validation/capture": 0.5}', 0.5), ("{", None), ("[]", None), (None, None)]
)
def test_a_result_is_that_of_a_run_that_came_to_its_end(tmp_path, text, result):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    assert read_result(tmp_path) == result


@pytest.mark.parametrize("text", ['{"validation/capture": null}', "{}"])
def test_a_run_without_a_figure_came_to_its_end_too(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    assert math.isnan(read_result(tmp_path))


def test_only_a_whole_checkpoint_can_be_gone_on_from(tmp_path):
    assert checkpoint_steps(tmp_path) is None
    for name in ("000000000050", "000000000100", "part-1"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "000000000050" / "state.json").write_text("{}")
    assert checkpoint_steps(tmp_path) == 50


def test_starting_over_keeps_the_log_and_who_the_run_is(tmp_path):
    for name in ("trial.log", "battery_lab.log", "mlflow.json", "curves.jsonl", "metrics.json", "report.html"):
        (tmp_path / name).write_text("")
    (tmp_path / "checkpoints" / "x").mkdir(parents=True)
    reset_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["battery_lab.log", "mlflow.json", "trial.log"]
    reset_folder(tmp_path / "missing")


def test_what_another_source_made_is_kept_beside(tmp_path):
    for content in ("old", "older"):
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "metrics.json").write_text(content)
        move_aside(tmp_path / "3", "0123")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.0123", "3.0123_"]
    assert (tmp_path / "3.0123" / "metrics.json").read_text() == "old"
    move_aside(tmp_path / "3", "0123")
    (tmp_path / "3").mkdir()
    with FileLock(tmp_path / "3" / ".lock"), pytest.raises(LabError, match="goes on: wait for it"):
        move_aside(tmp_path / "3", "0123")


def test_whether_a_run_goes_on_in_a_folder(tmp_path):
    assert not is_locked(tmp_path)
    with FileLock(tmp_path / ".lock"):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
