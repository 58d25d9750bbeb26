"""A search as a source of trials: Ray Tune says what to try and what to end early, the sweep's journal remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from hydra_plugins.battery_lab_launchers._tune_space import Space
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search import Searcher

from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_folder import RESULT, Progress

STEPS = "env_steps"


class RandomSearch(Searcher):  # type: ignore[misc]
    """Draws points by Tune's own domains; the k-th is the same whenever it is drawn."""

    def __init__(self, domains: Mapping[str, Any], seed: int) -> None:
        """Remember the domains."""
        super().__init__(metric=RESULT, mode="max")
        self._domains, self._seed, self._count = domains, seed, 0

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Return the next point."""
        generator = np.random.default_rng([self._seed, self._count])
        self._count += 1
        return {key: _plain(domain.sample(random_state=generator)) for key, domain in self._domains.items()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: what comes out changes no draw."""


@dataclass(eq=False, kw_only=True)
class Point:
    """A point of the space, with the trials that it is tried by.

    Attributes:
        name: by which the searcher knows it.
        params: its value for each key.
        trials: one for each repeat.
        suggested: whether the searcher came up with it in this launch.
        told: whether the searcher heard what came out.
        looks: how many looks at validation the scheduler heard of.
        pruned: whether the scheduler ended it.
    """

    name: str
    params: Mapping[str, Any]
    trials: Sequence[Trial]
    suggested: bool
    told: bool = False
    looks: int = 0
    pruned: bool = False

    @property
    def finished(self) -> bool:
        """Whether all its trials have come to an end."""
        return all(trial.outcome is not None for trial in self.trials)

    @property
    def whole(self) -> bool:
        """Whether all its trials came to the end of their budget."""
        return all(trial.outcome is not None and trial.outcome.state == State.DONE for trial in self.trials)

    @property
    def value(self) -> float | None:
        """The mean of its trials' captures; None where one failed."""
        results = [trial.outcome.result for trial in self.trials if trial.outcome and trial.outcome.state.settled]
        known = [float(result) for result in results if isinstance(result, int | float) and np.isfinite(result)]
        return sum(known) / len(known) if known and len(known) == len(self.trials) else None


class Search:
    """Where the trials of a search come from."""

    def __init__(
        self,
        space: Space,
        searcher: Searcher,
        scheduler: AsyncHyperBandScheduler | None,
        samples: int,
        make: Callable[[Sequence[str]], Trial],
    ) -> None:
        """Begin a search.

        Args:
            space: what is searched.
            searcher: Tune's; knows the space.
            scheduler: Tune's, which ends trials early; None ends none.
            samples: how many points are tried in all.
            make: composes a trial from its overrides, and finds or lists it in the journal.
        """
        self._space, self._searcher, self._scheduler = space, searcher, scheduler
        self._samples, self._make = samples, make
        self._earlier: list[Mapping[str, Any]] = []
        self._trials: dict[int, Trial] = {}
        self.points: list[Point] = []

    def go_on_with(self, choices: Sequence[Sequence[str]]) -> None:
        """Have the points that an interrupted search tried come first, rather than others.

        Args:
            choices: the overrides of each trial in the journal, in the order of their numbers.
        """
        for one in choices:
            point = self._space.point(one)
            if point is not None and point not in self._earlier:
                self._earlier.append(point)

    def next_trials(self) -> Sequence[Trial]:
        """Return the trials of the next point that has any of its own."""
        while len(self.points) < self._samples:
            name = f"point {len(self.points)}"
            suggested = not self._earlier
            params = self._searcher.suggest(name) if suggested else self._earlier.pop(0)
            if not isinstance(params, Mapping):
                return []
            made = [self._make(overrides) for overrides in self._space.overrides(params)]
            new = [trial for trial in made if trial.number not in self._trials]
            self._trials |= {trial.number: trial for trial in new}
            trials = [self._trials[trial.number] for trial in made]
            self.points.append(Point(name=name, params=params, trials=trials, suggested=suggested))
            if self._scheduler is not None:
                self._scheduler.on_trial_add(None, _as_tunes(self.points[-1]))
            if new:
                return new
            self._tell(self.points[-1])
        return []

    def should_prune(self, trial: Trial, progress: Progress) -> bool:
        """Return whether other points did better than a trial's with as many environment steps."""
        points = [point for point in self.points if trial in point.trials]
        for point in points:
            self._look_at(point)
        return all(point.pruned for point in points) and progress.env_steps < (trial.budget or 0)

    def on_finished(self, trial: Trial) -> None:
        """Hear of a trial that came to an end."""
        for point in self.points:
            if trial in point.trials:
                self._look_at(point)
                self._tell(point)

    def _look_at(self, point: Point) -> None:
        """Tell the scheduler of looks at validation that all trials of a point have had, whose mean counts."""
        if self._scheduler is None:
            return
        looks = [trial.watch.look().looks for trial in point.trials]
        for same in list(zip(*looks, strict=False))[point.looks :]:
            result = {STEPS: max(steps for steps, _ in same), RESULT: float(np.mean([best for _, best in same]))}
            action = self._scheduler.on_trial_result(None, _as_tunes(point), result)
            point.looks, point.pruned = point.looks + 1, point.pruned or action == TrialScheduler.STOP

    def _tell(self, point: Point) -> None:
        """Tell the searcher what a point is worth, once."""
        if point.told or not point.finished:
            return
        point.told = True
        value = point.value
        if point.suggested:
            result = None if value is None else {RESULT: value}
            self._searcher.on_trial_complete(point.name, result, error=value is None)
        elif value is not None:
            self._searcher.add_evaluated_point(dict(point.params), value)


def _as_tunes(point: Point) -> Any:
    """Return what Tune's ASHA wants to know of a point, which is a trial to it."""
    return SimpleNamespace(trial_id=point.name)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
