"""Tune search: a source of trials that asks Ray Tune what to train next and what to stop early."""

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
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.trial_folder import RESULT
from battery_lab.sweep.trial_progress import TrialProgress

STEPS = "env_steps"


class RandomSearch(Searcher):  # type: ignore[misc]
    """Draws points from Tune's domains. The k-th point depends on the seed and k only."""

    def __init__(self, domains: Mapping[str, Any], seed: int) -> None:
        super().__init__(metric=RESULT, mode="max")
        self._domains, self._seed, self._count = domains, seed, 0

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Return the next point."""
        generator = np.random.default_rng([self._seed, self._count])
        self._count += 1
        return {key: _plain(domain.sample(random_state=generator)) for key, domain in self._domains.items()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Ignore the result."""


@dataclass(eq=False, kw_only=True)
class Point:
    """A point of the search space, with the trials that evaluate it.

    Attributes:
        name: name of the point in the searcher.
        params: its value for each key.
        trials: its trials, one per repeat.
        is_suggested: whether the searcher suggested it in this launch.
        is_reported: whether its result was reported to the searcher.
        validations: number of validations reported to Tune's scheduler.
        is_pruned: whether Tune's scheduler stopped it.
    """

    name: str
    params: Mapping[str, Any]
    trials: Sequence[Trial]
    is_suggested: bool
    is_reported: bool = False
    validations: int = 0
    is_pruned: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether all its trials have an outcome."""
        return all(trial.outcome is not None for trial in self.trials)

    @property
    def is_complete(self) -> bool:
        """Whether all its trials trained to the end of their budget."""
        return all(trial.outcome is not None and trial.outcome.state == TrialState.DONE for trial in self.trials)

    @property
    def value(self) -> float | None:
        """Mean capture of its trials. None: a trial failed or is not finished."""
        results = [trial.outcome.result for trial in self.trials if trial.outcome and trial.outcome.state.settled]
        finite = [float(result) for result in results if isinstance(result, int | float) and np.isfinite(result)]
        return sum(finite) / len(finite) if finite and len(finite) == len(self.trials) else None


class TuneSearch:
    """A source of trials whose points a Tune searcher suggests and a Tune scheduler prunes."""

    def __init__(
        self,
        space: Space,
        searcher: Searcher,
        scheduler: AsyncHyperBandScheduler | None,
        samples: int,
        make_trial: Callable[[Sequence[str]], Trial],
    ) -> None:
        """Prepare a search.

        Args:
            space: the search space.
            searcher: Tune's searcher, set up for the space.
            scheduler: Tune's scheduler, which stops trials early. None: no trial is stopped.
            samples: number of points to train, including those of earlier launches.
            make_trial: composes a trial from its overrides, and finds it in the journal or adds it.
        """
        self._space, self._searcher, self._scheduler = space, searcher, scheduler
        self._samples, self._make_trial = samples, make_trial
        self._earlier: list[Mapping[str, Any]] = []
        self._trials: dict[int, Trial] = {}
        self.points: list[Point] = []

    def resume_points(self, trials: Sequence[Sequence[str]]) -> None:
        """Have the points of an interrupted search come first.

        Args:
            trials: overrides of each trial in the journal, ordered by trial number.
        """
        for overrides in trials:
            point = self._space.point(overrides)
            if point is not None and point not in self._earlier:
                self._earlier.append(point)

    def next_trials(self) -> Sequence[Trial]:
        """Return the new trials of the next point that has any."""
        while len(self.points) < self._samples:
            name = f"point {len(self.points)}"
            is_suggested = not self._earlier
            params = self._searcher.suggest(name) if is_suggested else self._earlier.pop(0)
            if not isinstance(params, Mapping):
                return []
            made = [self._make_trial(overrides) for overrides in self._space.overrides(params)]
            new = [trial for trial in made if trial.number not in self._trials]
            self._trials |= {trial.number: trial for trial in new}
            trials = [self._trials[trial.number] for trial in made]
            self.points.append(Point(name=name, params=params, trials=trials, is_suggested=is_suggested))
            if self._scheduler is not None:
                self._scheduler.on_trial_add(None, _tune_trial(self.points[-1]))
            if new:
                return new
            self._report(self.points[-1])
        return []

    def should_prune(self, trial: Trial, progress: TrialProgress) -> bool:
        """Return whether the trial's points are behind others at the same environment steps."""
        points = [point for point in self.points if trial in point.trials]
        for point in points:
            self._report_validations(point)
        return all(point.is_pruned for point in points) and progress.env_steps < (trial.budget or 0)

    def on_finished(self, trial: Trial) -> None:
        for point in self.points:
            if trial in point.trials:
                self._report_validations(point)
                self._report(point)

    def _report_validations(self, point: Point) -> None:
        """Report the mean of validations that all trials of a point have reached to Tune's scheduler."""
        if self._scheduler is None:
            return
        validations = [trial.progress_reader.read().validations for trial in point.trials]
        for same in list(zip(*validations, strict=False))[point.validations :]:
            result = {STEPS: max(steps for steps, _ in same), RESULT: float(np.mean([best for _, best in same]))}
            action = self._scheduler.on_trial_result(None, _tune_trial(point), result)
            point.validations += 1
            point.is_pruned = point.is_pruned or action == TrialScheduler.STOP

    def _report(self, point: Point) -> None:
        """Report the value of a finished point to the searcher, once."""
        if point.is_reported or not point.is_finished:
            return
        point.is_reported = True
        value = point.value
        if point.is_suggested:
            result = None if value is None else {RESULT: value}
            self._searcher.on_trial_complete(point.name, result, error=value is None)
        elif value is not None:
            self._searcher.add_evaluated_point(dict(point.params), value)


def _tune_trial(point: Point) -> Any:
    """Return a point in the form that Tune's ASHA scheduler expects of a trial."""
    return SimpleNamespace(trial_id=point.name)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
