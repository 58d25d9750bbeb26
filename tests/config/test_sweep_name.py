"""Sweep name: the same command finds the same sweep."""

from __future__ import annotations

import re

import pytest

from battery_lab.config.sweep_name import sweep_name

SWEEP = ["algo=ppo,dqn", "seed=range(0,5)"]


@pytest.mark.parametrize(
    "beside",
    [
        *("launcher=ray", "hydra.launcher.parallel=4", "sweep.tries=2", "outputs=/elsewhere"),
        *("tracking=none", "tracking.uri=http://127.0.0.1:5000", "hydra/launcher=basic", "+hydra.x=1"),
    ],
)
def test_launcher_and_outputs_do_not_change_the_name(beside):
    assert sweep_name([*SWEEP, beside]) == sweep_name(SWEEP) == sweep_name(SWEEP[::-1])


@pytest.mark.parametrize(
    "other",
    [
        *(["algo=ppo,sac", SWEEP[1]], [*SWEEP, "sweeper=zip"], SWEEP[:1], [*SWEEP, "outputs_=1"]),
        *([*SWEEP, "hydra.launcher.checkpoint=a"], [*SWEEP, "hydra.launcher.evaluate_only=true"]),
    ],
)
def test_another_choice_changes_the_name(other):
    assert sweep_name(other) != sweep_name(SWEEP)


def test_a_name_is_readable_and_fit_for_a_folder():
    assert re.fullmatch(r"algo=ppo,dqn_seed=range-0,5_[0-9a-f]{8}", sweep_name(SWEEP))
    assert re.fullmatch(r"defaults_[0-9a-f]{8}", sweep_name([]))
    long = sweep_name([f"market.path='/a b/{'x' * 300}'", "reward.terms=[{a: 1}]"])
    assert len(long) < 80 and re.fullmatch(r"[A-Za-z0-9.,=+_-]+", long)
