"""Trial digest: equal for the same trial, wherever it is stored and tracked."""

from __future__ import annotations

from battery_lab.common.trial_digest import trial_digest


def test_digest_does_not_depend_on_folders() -> None:
    trial = {"seed": 0, "algo": {"lr": 0.1}, "outputs": "outputs", "tracking": {"uri": "a://b"}, "resume": None}
    moved = {"algo": {"lr": 0.1}, "seed": 0, "outputs": "/elsewhere", "tracking": {}, "resume": "x"}
    assert trial_digest(trial) == trial_digest(moved)
    assert trial_digest(trial) != trial_digest({**trial, "seed": 1})


def test_digest_does_not_depend_on_choices() -> None:
    assert trial_digest({"seed": 0, "choices": {"algo": "ppo"}}) == trial_digest({"seed": 0})
