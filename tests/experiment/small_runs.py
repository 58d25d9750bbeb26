"""Runs of a small experiment, and ways to stop and compare them."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from rich.console import Console
from safetensors.numpy import load_file

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.experiment import checkpoint
from battery_lab.experiment.experiment import Experiment
from battery_lab.tracking import RunLog
from tests.compositions import small, store, write_market


class StatusTracker:
    """Records the final status of runs by folder."""

    def __init__(self):
        self.statuses = {}

    def start(self, folder, name, config):
        return SimpleNamespace(log=lambda *_: None, finish=lambda status: self.statuses.update({folder: status}))


TRACKER = StatusTracker()


def console():
    return Console(file=open(os.devnull, "w"))  # noqa: SIM115


def run(folder, algo, *overrides, resume=False) -> dict[str, float]:
    config = small(folder.parent / f"data_{algo}", algo, *overrides)
    folder.mkdir(exist_ok=True)
    store(config, folder)
    experiment: Experiment = replace(build_experiment(config), tracking=TRACKER)
    return experiment.run(folder, resume=resume, console=console())


def timeless(metrics):
    return {key: value for key, value in metrics.items() if key not in TIMES}


TIMES = {"train/seconds", "train/env_steps_per_second"}


def same_result(folder, other):
    first, second = (json.loads((f / "metrics.json").read_text()) for f in (folder, other))
    assert timeless(first) == timeless(second)
    weights, others = (load_file(f / "policy" / "weights.safetensors") for f in (folder, other))
    assert all(np.array_equal(weights[key], others[key]) for key in weights)
    # The best policy may be older than the stop; the last checkpoint is not.
    last, other_last = (learned(f) for f in (folder, other))
    assert last and all(np.array_equal(last[key], other_last[key]) for key in last)


def learned(folder):
    """Return the networks in the last checkpoint, a pickle that this test wrote."""
    newest = checkpoint.latest(folder / "checkpoints")[0]
    (path,) = (newest / "rllib" / "learner_group").rglob("default_policy/module_state.pkl")
    return pickle.loads(path.read_bytes())


def stop_at(monkeypatch, env_steps, how):
    """Call ``how`` when a training logs this many steps."""
    original = RunLog.log

    def log(self, metrics, steps):
        if steps >= env_steps:
            how()
        original(self, metrics, steps)

    monkeypatch.setattr(RunLog, "log", log)


class Killed(BaseException):
    """Stands for kill -9: nothing is saved."""


def killed():
    raise Killed


def other_prices(folder):
    """Write another market of the same length."""
    return next(choice for choice in write_market(folder, seed=5) if choice.startswith("market.path=")).split("=")[1]
