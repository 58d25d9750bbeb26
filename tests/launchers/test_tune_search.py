"""Tune search: asks Ray Tune what to try and what to stop early, and resumes where it was interrupted."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.battery_lab_launchers._tune_search import RandomSearch, TuneSearch
from hydra_plugins.battery_lab_launchers._tune_space import parse_space
from ray.tune.schedulers import AsyncHyperBandScheduler

from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.trial_progress import TrialProgress


class RecordingSearch(RandomSearch):
    """Draws at random, and records what is reported to it."""

    def __init__(self, domains, seed=0):
        super().__init__(domains, seed)
        self.completed, self.evaluated = {}, []

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.completed[trial_id] = "error" if error else result["validation/capture"]

    def add_evaluated_point(self, parameters, value, *rest):
        self.evaluated.append((parameters, value))


def make_search(*overrides, samples=3, scheduler=None, seed=0):
    """Return a search and its searcher. Trials with the same overrides have the same number."""
    space = parse_space(OverridesParser.create().parse_overrides(list(overrides)), ["seed"])
    numbers: dict[tuple[str, ...], int] = {}

    def make_trial(overrides):
        number = numbers.setdefault(tuple(overrides), len(numbers))
        progress = TrialProgress()
        reader = SimpleNamespace(read=lambda: progress)
        return SimpleNamespace(number=number, overrides=overrides, outcome=None, budget=90, progress_reader=reader)

    searcher = RecordingSearch(space.domains, seed)
    return TuneSearch(space, searcher, scheduler, samples, make_trial), searcher


def finish(search, trial, result=0.5, state=TrialState.DONE):
    trial.outcome = Outcome(number=trial.number, state=state, result=result)
    search.on_finished(trial)


def validate(search, trial, steps, capture):
    """Have a trial validate; return whether the search prunes it."""
    progress = trial.progress_reader.read()
    progress.env_steps = steps
    progress.validations.append((steps, capture))
    return search.should_prune(trial, progress)


def asha(reduction_factor):
    return AsyncHyperBandScheduler(
        time_attr="env_steps",
        metric="validation/capture",
        mode="max",
        max_t=90,
        grace_period=10,
        reduction_factor=reduction_factor,
    )


def test_next_trials_returns_one_point_at_a_time_up_to_samples():
    search, _ = make_search("a=interval(0,1)", "seed=0,1")
    batches = [search.next_trials() for _ in range(4)]
    assert [len(batch) for batch in batches] == [2, 2, 2, 0]
    assert len({tuple(trial.overrides) for batch in batches for trial in batch}) == 6


def test_value_of_a_point_is_the_mean_of_its_seeds():
    search, searcher = make_search("a=interval(0,1)", "seed=0,1")
    first, second = search.next_trials()
    finish(search, first, 0.4)
    assert searcher.completed == {}
    finish(search, second, 0.6)
    assert searcher.completed == {"point 0": 0.5}


def test_a_point_with_a_failed_trial_has_no_value():
    search, searcher = make_search("a=interval(0,1)", "seed=0,1")
    first, second = search.next_trials()
    finish(search, first, None, TrialState.FAILED)
    finish(search, second, 0.6)
    assert searcher.completed == {"point 0": "error"}
    assert search.points[0].value is None


def test_a_repeated_point_is_not_run_again():
    search, searcher = make_search("a=x,y", samples=40)
    started = []
    while trials := search.next_trials():
        started += trials
        finish(search, trials[0])
    assert len(started) == 2 and len(search.points) == 40
    assert len(searcher.completed) == 40


def test_an_interrupted_search_starts_with_its_earlier_points():
    search, _ = make_search("a=interval(0,1)", samples=2)
    earlier = [search.next_trials()[0].overrides for _ in range(2)]
    search, searcher = make_search("a=interval(0,1)", samples=3, seed=1)
    search.resume_points([*earlier, ["b=1"], earlier[0]])
    resumed = [search.next_trials()[0] for _ in range(3)]
    assert [trial.overrides for trial in resumed[:2]] == earlier
    for trial in resumed:
        finish(search, trial, 0.1 * trial.number)
    assert [value for _, value in searcher.evaluated] == [0.0, 0.1]
    assert searcher.completed == {"point 2": pytest.approx(0.2)}


def test_a_point_is_pruned_by_the_mean_of_its_seeds():
    search, _ = make_search("a=interval(0,1)", "seed=0,1", samples=2, scheduler=asha(reduction_factor=2))
    (first, second), (low, high) = search.next_trials(), search.next_trials()
    assert not validate(search, first, 10, 0.5) and not validate(search, second, 10, 0.5)
    # Alone it would be behind. With the other seed of its point it is ahead.
    assert not validate(search, low, 10, 0.1)
    assert not validate(search, high, 10, 1.0)
    assert not search.should_prune(low, low.progress_reader.read())
    assert not validate(search, first, 20, 0.6) and not validate(search, second, 20, 0.6)
    assert not validate(search, low, 20, 0.1)
    assert validate(search, high, 20, 1.0)
    assert search.should_prune(low, low.progress_reader.read())


def test_a_trial_behind_others_at_a_rung_is_pruned():
    search, _ = make_search("a=interval(0,1)", samples=4, scheduler=asha(reduction_factor=3))
    good, fair, bad, last = (search.next_trials()[0] for _ in range(4))
    is_pruned = partial(validate, search)
    assert not is_pruned(good, 5, 0.1)
    assert not is_pruned(good, 10, 0.5)
    assert is_pruned(fair, 10, 0.4)
    assert not is_pruned(bad, 5, 0.0)
    assert is_pruned(bad, 10, 0.1)
    assert not is_pruned(good, 30, 0.6)
    # A trial at the end of its budget is not pruned.
    assert not is_pruned(good, 90, 0.6)
    assert not is_pruned(last, 90, 0.2)
