"""Trial progress: growing and rewound curves of a trial."""

from __future__ import annotations

import json

from battery_lab.sweep.trial_progress import ProgressReader
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
