"""Ways to stop a run at a step, as a signal or a kill would, and to compare the results of two runs."""

from __future__ import annotations

import json
import pickle

import numpy as np
from safetensors.numpy import load_file

from battery_lab.algos.bid_curve_checkpoint import TENSORS
from battery_lab.experiment import checkpoint
from battery_lab.tracking import RunLog

TIMES = {"train/seconds", "train/env_steps_per_second"}


def timeless(metrics):
    return {key: value for key, value in metrics.items() if key not in TIMES}


def same_result(folder, other):
    first, second = (json.loads((f / "metrics.json").read_text()) for f in (folder, other))
    assert timeless(first) == timeless(second)
    weights, others = (load_file(f / "policy" / "weights.safetensors") for f in (folder, other))
    assert all(np.array_equal(weights[key], others[key]) for key in weights)
    # The best policy may be older than the stop; the last checkpoint is not.
    last, other_last = (learned(f) for f in (folder, other))
    assert last and all(np.array_equal(last[key], other_last[key]) for key in last)


def learned(folder):
    """Return the networks in the last checkpoint. RLlib's is a pickle that this test wrote."""
    newest = checkpoint.latest(folder / "checkpoints")[0]
    if (newest / TENSORS).exists():
        return load_file(newest / TENSORS)
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
