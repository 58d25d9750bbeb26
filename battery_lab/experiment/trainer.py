"""Training loop: sample and learn, validate, save checkpoints, stop at the budget, a plateau or a signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from battery_lab.common.run_folder import RunFolder
from battery_lab.common.stop_signals import on_stop
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, options
from battery_lab.experiment import checkpoint
from battery_lab.experiment.checkpoint import Progress

if TYPE_CHECKING:
    from battery_lab.algos.interfaces import Learner

POLL_S = 0.05


class Interrupted(Exception):  # noqa: N818  (a requested stop is not an error)
    """A signal stopped the run, after a checkpoint.

    Attributes:
        number: number of the signal.
        path: the checkpoint.
    """

    def __init__(self, number: int, path: Path) -> None:
        """Store the signal and the checkpoint."""
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.path = number, path


@options("train")
class TrainOptions:
    """Budget and intervals of a training.

    Attributes:
        env_steps: the budget of environment steps.
        checkpoint_every: environment steps between two checkpoints.
        validate_every: environment steps between two validations.
        keep_checkpoints: number of checkpoints kept on disk.
        stop_on_plateau: stop after this many validations without improvement; 0: never.
        keep_policy: ``best`` keeps the policy with the best validation score, ``last`` the last one.
        threads: threads of torch; 0: torch's default.
    """

    env_steps: Annotated[Int, Field(ge=1), Highest(MOST_STEPS)]
    checkpoint_every: Annotated[Int, Field(ge=1), Highest(MOST_STEPS)]
    validate_every: Annotated[Int, Field(ge=1), Highest(MOST_STEPS)]
    keep_checkpoints: Annotated[Int, Field(ge=1), Highest(1_000_000)]
    stop_on_plateau: Annotated[Int, Field(ge=0), Highest(1_000_000)]
    keep_policy: Literal["best", "last"]
    threads: Annotated[Int, Field(ge=0), Highest(1024)]


class ProgressReport(Protocol):
    """Shows the progress of a training."""

    def update(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Show the progress after an iteration."""


@dataclass(kw_only=True)
class Trainer:
    """Trains one learner, from the start or from a checkpoint.

    Attributes:
        learner: the learner.
        options: budget and intervals.
        folder: the run folder.
        progress: progress of the training; updated in place.
        validate: evaluates the current policy on the validation period; returns its score and metrics.
        keep: stores the current policy as the policy of the run.
        log: logs metrics at an environment step.
        report: shows the progress.
    """

    learner: Learner
    options: TrainOptions
    folder: Path
    progress: Progress
    validate: Callable[[], tuple[float, dict[str, float]]]
    keep: Callable[[], None]
    log: Callable[[Mapping[str, float], int], None]
    report: ProgressReport

    def run(self) -> None:
        """Train until the budget is used, or until a plateau.

        Raises:
            Interrupted: SIGINT or SIGTERM arrived; a checkpoint was saved.
        """
        options, progress = self.options, self.progress
        if progress.env_steps == 0:
            progress.next_checkpoint = options.checkpoint_every
            progress.next_validation = options.validate_every
        stopped: list[int] = []
        with on_stop(stopped.append):
            while not self._finished():
                if self._wait(stopped):
                    raise Interrupted(stopped[0], self._save())
                metrics = self._iterate()
                last = progress.env_steps >= options.env_steps
                if last or progress.env_steps >= progress.next_validation:
                    metrics |= self._validate()
                self.log(metrics, progress.env_steps)
                self.report.update(progress, metrics)
                if stopped or self._finished() or progress.env_steps >= progress.next_checkpoint:
                    progress.next_checkpoint = _next(progress.env_steps, options.checkpoint_every)
                    saved = self._save()
                    if stopped:
                        raise Interrupted(stopped[0], saved)

    def _finished(self) -> bool:
        plateau = self.options.stop_on_plateau
        return self.progress.env_steps >= self.options.env_steps or 0 < plateau <= self.progress.stale

    def _wait(self, stopped: Sequence[int]) -> bool:
        """Wait until the learner can finish its next iteration, and return whether a signal came.

        Here a checkpoint can be saved; within the iteration, its results would be lost.
        """
        start = time.perf_counter()
        while not stopped and self.learner.is_waiting():
            time.sleep(POLL_S)
        self.progress.seconds += time.perf_counter() - start
        return bool(stopped)

    def _iterate(self) -> dict[str, float]:
        start = time.perf_counter()
        steps, metrics = self.learner.train()
        seconds = time.perf_counter() - start
        rate = (steps - self.progress.env_steps) / seconds
        self.progress.env_steps, self.progress.seconds = steps, self.progress.seconds + seconds
        return {"train/env_steps_per_second": rate, **metrics}

    def _validate(self) -> dict[str, float]:
        progress = self.progress
        progress.next_validation = _next(progress.env_steps, self.options.validate_every)
        score, metrics = self.validate()
        is_better = progress.best is None or score > progress.best
        progress.stale = 0 if is_better else progress.stale + 1
        if is_better:
            progress.best = score
        if is_better or self.options.keep_policy == "last":
            progress.kept_capture, progress.kept_env_steps = metrics["validation/capture"], progress.env_steps
            self.keep()
        return metrics

    def _save(self) -> Path:
        run, keep = RunFolder(self.folder), self.options.keep_checkpoints
        saved = checkpoint.list_checkpoints(run.checkpoints)
        if saved and checkpoint.env_steps(saved[-1]) == self.progress.env_steps:
            return saved[-1]
        return checkpoint.save(run.checkpoints, self.learner, self.progress, run.policy, keep)


def _next(env_steps: int, every: int) -> int:
    """Return the first multiple of ``every`` after ``env_steps``."""
    return (env_steps // every + 1) * every
