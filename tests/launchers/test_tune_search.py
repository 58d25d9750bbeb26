"""A search asks Ray Tune what to try and what to end early, and goes on where it was interrupted."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.battery_lab_launchers._tune_search import RandomSearch, Search
from hydra_plugins.battery_lab_launchers._tune_space import space
from ray.tune.schedulers import AsyncHyperBandScheduler

from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_folder import Progress


class Told(RandomSearch):
    """Draws at random, and remembers what it was told."""

    def __init__(self, domains, seed=0):  # noqa: D107
        super().__init__(domains, seed)
        self.completed, self.evaluated = {}, []

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.completed[trial_id] = "error" if error else result["validation/capture"]

    def add_evaluated_point(self, parameters, value, *rest):
        self.evaluated.append((parameters, value))


def searched(*overrides, samples=3, scheduler=None, seed=0):
    """A search, whose trials are numbered by their overrides."""
    found = space(OverridesParser.create().parse_overrides(list(overrides)), ["seed"])
    numbers: dict[tuple[str, ...], int] = {}

    def make(overrides):
        number = numbers.setdefault(tuple(overrides), len(numbers))
        progress = Progress()
        watch = SimpleNamespace(look=lambda: progress)
        return SimpleNamespace(number=number, overrides=overrides, outcome=None, budget=90, watch=watch)

    searcher = Told(found.domains, seed)
    return Search(found, searcher, scheduler, samples, make), searcher


def end(search, trial, result=0.5, state=State.DONE):
    trial.outcome = Outcome(number=trial.number, state=state, result=result)
    search.on_finished(trial)


def test_points_come_one_by_one_until_there_are_enough():
    search, _ = searched("a=interval(0,1)", "seed=0,1")
    batches = [search.next_trials() for _ in range(4)]
    assert [len(batch) for batch in batches] == [2, 2, 2, 0]
    assert len({tuple(trial.overrides) for batch in batches for trial in batch}) == 6


def test_a_point_is_worth_the_mean_of_its_seeds():
    search, searcher = searched("a=interval(0,1)", "seed=0,1")
    first, second = search.next_trials()
    end(search, first, 0.4)
    assert searcher.completed == {}
    end(search, second, 0.6)
    assert searcher.completed == {"point 0": 0.5}


def test_a_point_with_a_failure_is_worth_nothing():
    search, searcher = searched("a=interval(0,1)", "seed=0,1")
    first, second = search.next_trials()
    end(search, first, None, State.FAILED)
    end(search, second, 0.6)
    assert searcher.completed == {"point 0": "error"}
    assert search.points[0].value is None


def test_a_point_that_was_tried_before_is_not_tried_again():
    search, searcher = searched("a=x,y", samples=40)
    seen = []
    while trials := search.next_trials():
        seen += trials
        end(search, trials[0])
    assert len(seen) == 2 and len(search.points) == 40
    assert len(searcher.completed) == 40


def test_an_interrupted_search_goes_on_with_its_points_first():
    search, _ = searched("a=interval(0,1)", samples=2)
    earlier = [search.next_trials()[0].overrides for _ in range(2)]
    search, searcher = searched("a=interval(0,1)", samples=3, seed=1)
    search.go_on_with([*earlier, ["b=1"], earlier[0]])
    again = [search.next_trials()[0] for _ in range(3)]
    assert [trial.overrides for trial in again[:2]] == earlier
    for trial in again:
        end(search, trial, 0.1 * trial.number)
    assert [value for _, value in searcher.evaluated] == [0.0, 0.1]
    assert searcher.completed == {"point 2": pytest.approx(0.2)}


def look(search, trial, steps, capture):
    """Have a trial look at its validation; returns whether it need not go on."""
    progress = trial.watch.look()
    progress.env_steps = steps
    progress.looks.append((steps, capture))
    return search.should_prune(trial, progress)


def test_a_point_is_ended_by_the_mean_of_its_seeds():
    asha = AsyncHyperBandScheduler(
        time_attr="env_steps", metric="validation/capture", mode="max", max_t=90, grace_period=10, reduction_factor=2
    )
    search, _ = searched("a=interval(0,1)", "seed=0,1", samples=2, scheduler=asha)
    (one, other), (unlucky, lucky) = search.next_trials(), search.next_trials()
    assert not look(search, one, 10, 0.5) and not look(search, other, 10, 0.5)
    # Alone it would be behind; with the other seed of its point it is ahead.
    assert not look(search, unlucky, 10, 0.1)
    assert not look(search, lucky, 10, 1.0)
    assert not search.should_prune(unlucky, unlucky.watch.look())
    assert not look(search, one, 20, 0.6) and not look(search, other, 20, 0.6)
    assert not look(search, unlucky, 20, 0.1)
    assert look(search, lucky, 20, 1.0)
    assert search.should_prune(unlucky, unlucky.watch.look())


def test_a_trial_that_is_behind_others_at_a_rung_ends():
    asha = AsyncHyperBandScheduler(
        time_attr="env_steps", metric="validation/capture", mode="max", max_t=90, grace_period=10, reduction_factor=3
    )
    search, _ = searched("a=interval(0,1)", samples=4, scheduler=asha)
    good, fair, bad, last = (search.next_trials()[0] for _ in range(4))
    looks = partial(look, search)
    assert not looks(good, 5, 0.1)
    assert not looks(good, 10, 0.5)
    assert looks(fair, 10, 0.4)
    assert not looks(bad, 5, 0.0)
    assert looks(bad, 10, 0.1)
    assert not looks(good, 30, 0.6)
    # At its end it ends by itself.
    assert not looks(good, 90, 0.6)
    assert not looks(last, 90, 0.2)
