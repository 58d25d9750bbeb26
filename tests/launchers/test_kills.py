"""Sweeps that are killed at random come to the same end; `python -m tests.launchers.kills` does fifty larger ones."""

from __future__ import annotations

import pytest

from tests.launchers.kills import reference, run

TRIALS, KILLS = 2, 2
# Their kills: amid the fourth line of a journal and amid a checkpoint; of the driver, and amid the fourth line again.
SEEDS = (4, 47)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """What comes out of a sweep that nobody kills, and how long that takes."""
    return reference(tmp_path_factory.mktemp("whole"), trials=TRIALS)


def test_nobody_kills(wanted):
    runs = wanted[0]["runs"]
    assert runs["parents"] == ["FINISHED"] and runs["of"]
    assert runs["children"] == [(str(number), "FINISHED") for number in range(TRIALS)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sweep_that_is_killed_comes_to_the_same_end(seed, wanted, tmp_path):
    run(seed, tmp_path, *wanted, TRIALS, KILLS)
