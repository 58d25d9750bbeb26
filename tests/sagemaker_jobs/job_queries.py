"""Queries about the jobs of a sweep and their results."""

from __future__ import annotations

import json


def metrics(sweep, number):
    return json.loads((sweep.folder / str(number) / "metrics.json").read_text())


def created(emulator, sweep):
    names = [request["parameters"]["TrainingJobName"] for request in emulator.requests("CreateTrainingJob")]
    return [name for name in names if name.startswith(name_prefix(sweep))]


def name_prefix(sweep):
    return json.loads((sweep.folder / "remote.json").read_text())["lead"]
