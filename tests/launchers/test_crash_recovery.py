"""Sweeps killed at random end with the same results; `python -m tests.launchers.kill_harness` runs 50 larger ones."""

from __future__ import annotations

import pytest

from tests.launchers.kill_harness import reference, run

pytestmark = [pytest.mark.walk, pytest.mark.first]

TRIALS, KILLS = 2, 2
# Seed 4 kills within the fourth journal line and within a checkpoint; 47 kills the launcher and within the fourth line.
SEEDS = (4, pytest.param(47, marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Results and duration of a sweep that is not killed."""
    return reference(tmp_path_factory.mktemp("whole"), trials=TRIALS)


def test_a_sweep_is_tracked_as_a_parent_with_its_trials(expected):
    runs = expected[0]["runs"]
    assert runs["parents"] == ["FINISHED"] and runs["of"]
    assert runs["children"] == [(str(number), "FINISHED") for number in range(TRIALS)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_sweep_finishes_with_the_same_results(seed, expected, tmp_path):
    run(seed, tmp_path, *expected, TRIALS, KILLS)
