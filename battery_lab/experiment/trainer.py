"""The training loop: sample and learn, check on validation, save, stop when told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from battery_lab.common.errors import require
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.signals import on_stop
from battery_lab.experiment import checkpoint
from battery_lab.experiment.checkpoint import Progress

LOSSES = {
    *("total_loss", "policy_loss", "vf_loss", "vf_loss_unclipped", "entropy"),
    *("qf_loss", "qf_mean", "td_error_mean", "alpha_value"),
}

LEAST = {
    "env_steps": 1,
    "checkpoint_every": 1,
    "validate_every": 1,
    "keep_checkpoints": 1,
    "stop_on_plateau": 0,
    "threads": 0,
}


class Interrupted(Exception):  # noqa: N818  (it is no error: somebody asked for it)
    """A person or the system asked the run to stop, and it did, with a checkpoint.

    Attributes:
        number: the signal.
        path: the checkpoint to go on from.
    """

    def __init__(self, number: int, path: Path) -> None:
        """Remember the signal and the checkpoint."""
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.path = number, path


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """A choice of conf/train.

    Attributes:
        env_steps: the budget of environment steps.
        checkpoint_every: environment steps between two checkpoints.
        validate_every: environment steps between two looks at validation time.
        keep_checkpoints: how many checkpoints stay on disk.
        stop_on_plateau: end after so many validations without a better one; 0 never.
        threads: threads that torch computes with; 0 leaves it to torch.
    """

    env_steps: int
    checkpoint_every: int
    validate_every: int
    keep_checkpoints: int
    stop_on_plateau: int
    threads: int

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            good = isinstance(value, int | float) and float(value).is_integer() and value >= least
            require(good, f"train.{name}", f"must be a whole number from {least}", value)
            # 2e6 is a whole number that YAML and the command line make a float of.
            object.__setattr__(self, name, int(value))


class Display(Protocol):
    """Shows a training to a person."""

    def update(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Show the state after an iteration."""


@dataclass(kw_only=True)
class Trainer:
    """Trains one algorithm, from the start or from a checkpoint.

    Attributes:
        algorithm: built from RLlib.
        options: budget and intervals.
        folder: the run folder.
        progress: how far it has come; changes.
        validate: judges the present policy on validation: its score and capture.
        keep: stores the present policy as the best so far.
        log: takes metrics at an environment step.
        display: shows them.
    """

    algorithm: Any
    options: TrainOptions
    folder: Path
    progress: Progress
    validate: Callable[[], tuple[float, dict[str, float]]]
    keep: Callable[[], None]
    log: Callable[[Mapping[str, float], int], None]
    display: Display

    def run(self) -> None:
        """Train to the end of the budget, or to a plateau.

        Raises:
            Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
        """
        options, progress = self.options, self.progress
        if progress.env_steps == 0:
            progress.next_checkpoint = options.checkpoint_every
            progress.next_validation = options.validate_every
        stopped: list[int] = []
        with on_stop(stopped.append):
            while not self._finished():
                metrics = self._iterate()
                last = progress.env_steps >= options.env_steps
                if last or progress.env_steps >= progress.next_validation:
                    metrics |= self._validate()
                self.log(metrics, progress.env_steps)
                self.display.update(progress, metrics)
                if stopped or self._finished() or progress.env_steps >= progress.next_checkpoint:
                    progress.next_checkpoint = _next(progress.env_steps, options.checkpoint_every)
                    saved = self._save()
                    if stopped:
                        raise Interrupted(stopped[0], saved)

    def _finished(self) -> bool:
        plateau = self.options.stop_on_plateau
        return self.progress.env_steps >= self.options.env_steps or 0 < plateau <= self.progress.stale

    def _iterate(self) -> dict[str, float]:
        begun = time.perf_counter()
        result = self.algorithm.train()
        seconds = time.perf_counter() - begun
        steps = int(result["env_runners"]["num_env_steps_sampled_lifetime"])
        rate = (steps - self.progress.env_steps) / seconds
        self.progress.env_steps, self.progress.seconds = steps, self.progress.seconds + seconds
        return {"train/env_steps_per_second": rate, **_environment_metrics(result), **_learner_metrics(result)}

    def _validate(self) -> dict[str, float]:
        progress = self.progress
        progress.next_validation = _next(progress.env_steps, self.options.validate_every)
        score, metrics = self.validate()
        if progress.best is None or score > progress.best:
            progress.best, progress.best_capture = score, metrics["validation/capture"]
            progress.best_env_steps, progress.stale = progress.env_steps, 0
            self.keep()
        else:
            progress.stale += 1
        return metrics

    def _save(self) -> Path:
        run, keep = RunFolder(self.folder), self.options.keep_checkpoints
        return checkpoint.save(run.checkpoints, self.algorithm, self.progress, run.policy, keep)


def _next(env_steps: int, every: int) -> int:
    """Return the first multiple of ``every`` after ``env_steps``."""
    return (env_steps // every + 1) * every


def _environment_metrics(result: Mapping[str, Any]) -> dict[str, float]:
    found = result["env_runners"].get("lab", {})
    return {f"{group}/{name}": float(value) for group, names in found.items() for name, value in names.items()}


def _learner_metrics(result: Mapping[str, Any]) -> dict[str, float]:
    found = result.get("learners", {}).get("default_policy", {})
    return {f"learner/{name}": float(found[name]) for name in sorted(LOSSES & set(found))}
