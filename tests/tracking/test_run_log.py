"""Run log: complete lines after a kill, exact after a rewind, the same points in TensorBoard."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
from tensorboardX.proto.event_pb2 import Event

from battery_lab.tracking import NoTracking, RunLog
from battery_lab.tracking.run_log import read_lines


def logged(folder: Path, steps: range) -> None:
    log = RunLog(folder)
    for step in steps:
        log.log({"train/reward": step / 2}, step)
    log.close()


def steps_in(folder: Path) -> list[float | None]:
    return [line["env_steps"] for line in read_lines(folder / "curves.jsonl")[0]]


def events(folder: Path) -> list[Event]:
    """Return the events of all TensorBoard files in the order of their writing."""
    found = []
    for path in sorted(folder.rglob("*tfevents*"), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def test_line_is_a_json_object_with_steps_time_and_metrics(tmp_path: Path) -> None:
    logged(tmp_path, range(64, 65))
    (text,) = (tmp_path / "curves.jsonl").read_text().splitlines()
    line = json.loads(text)
    assert (line["env_steps"], line["train/reward"]) == (64, 32.0)
    assert line["time"] > 1.6e9


def test_nan_and_infinity_become_null(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.log({"a": math.nan, "b": math.inf, "c": np.float32(1.5)}, np.int64(8))
    (line,) = log.read()
    log.close()
    assert [line[name] for name in "abc"] == [None, None, 1.5]
    assert "NaN" not in (tmp_path / "curves.jsonl").read_text()


def test_incomplete_line_is_removed_before_the_next_one(tmp_path: Path) -> None:
    logged(tmp_path, range(3))
    path = tmp_path / "curves.jsonl"
    path.write_bytes(path.read_bytes() + b'{"env_steps": 3, "ti')
    assert steps_in(tmp_path) == [0, 1, 2]
    logged(tmp_path, range(3, 5))
    assert steps_in(tmp_path) == [0, 1, 2, 3, 4]
    assert all(json.loads(text) for text in path.read_text().splitlines())


def test_rewind_removes_lines_after_the_checkpoint(tmp_path: Path) -> None:
    logged(tmp_path, range(0, 50, 10))
    log = RunLog(tmp_path)
    log.rewind(20)
    log.log({"train/reward": 7.0}, 30)
    assert [(line["env_steps"], line["train/reward"]) for line in log.read()] == [(0, 0), (10, 5), (20, 10), (30, 7)]
    log.close()


def test_rewind_to_the_start_removes_all_curves(tmp_path: Path) -> None:
    logged(tmp_path, range(3))
    log = RunLog(tmp_path)
    log.rewind(0)
    log.close()
    assert steps_in(tmp_path) == [0]
    assert events(tmp_path) == []


def test_reader_returns_complete_lines_from_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    path.write_bytes(b'{"env_steps": 1, "a": 1}\n{"env_steps": 2')
    first, offset = read_lines(path)
    path.write_bytes(path.read_bytes() + b', "a": 2}\n')
    second, end = read_lines(path, offset)
    assert ([line["env_steps"] for line in first], [line["env_steps"] for line in second]) == ([1], [2])
    assert read_lines(path, end) == ([], end)


def test_tensorboard_has_points_as_soon_as_they_are_logged(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.log({"a": 1.5, "b": math.nan}, 10)
    points = [(v.tag, v.simple_value, e.step) for e in events(tmp_path) for v in e.summary.value]
    log.close()
    assert points == [("a", 1.5, 10)]


def test_tensorboard_hides_points_that_were_rewound(tmp_path: Path) -> None:
    logged(tmp_path, range(0, 50, 10))
    log = RunLog(tmp_path)
    log.rewind(20)
    log.log({"train/reward": 7.0}, 30)
    log.close()
    marks = [event.step for event in events(tmp_path) if event.HasField("session_log")]
    assert marks == [21]
    assert len([event for event in events(tmp_path) if event.HasField("summary")]) == 6


def test_second_close_has_no_effect(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.log({"a": 1.0}, 1)
    log.close()
    log.close()


def test_no_tracking_writes_nothing(tmp_path: Path) -> None:
    tracking = NoTracking().start(tmp_path, "run", {})
    tracking.log({"a": 1.0}, 1)
    tracking.finish("FINISHED")
    assert list(tmp_path.iterdir()) == []
