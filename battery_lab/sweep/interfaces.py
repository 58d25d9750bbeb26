"""Interfaces of a sweep: trials and their outcomes, where trials come from, where they run and who displays them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from battery_lab.sweep.journal import Entry, Journal, TrialState
from battery_lab.sweep.trial_progress import ProgressReader, TrialProgress


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one attempt at a trial.

    Attributes:
        number: number of the trial.
        state: DONE, PRUNED, STOPPED or FAILED.
        result: return value of the trial, if it is done.
        reason: why it failed.
        raised: whether the trial itself raised an error, rather than being killed from outside.
        machine_lost: whether its machine was lost. Such an attempt does not count.
        detached: whether the trial keeps running although this process no longer waits for it.
        payload: object that the launcher passes through, such as Hydra's JobReturn.
    """

    number: int
    state: TrialState
    result: Any = None
    reason: str | None = None
    raised: bool = False
    machine_lost: bool = False
    detached: bool = False
    payload: Any = None


@dataclass(kw_only=True, eq=False)
class Trial:
    """A trial of the sweep, as the current launch sees it.

    Attributes:
        entry: the journal's record of the trial. Replaced as the trial proceeds.
        folder: run folder of the trial.
        budget: environment steps to train. None: unknown.
        job: makes the job that a pool runs. Takes the folder to resume from, or None.
        outcome: outcome in this launch or before. None: not finished.
        tries: attempts in this launch, or since a retry was requested.
    """

    entry: Entry
    folder: Path
    budget: int | None
    job: Callable[[Path | None], Any]
    outcome: Outcome | None = None
    tries: int = 0
    progress_reader: ProgressReader = field(init=False)

    def __post_init__(self) -> None:
        self.progress_reader = ProgressReader(self.folder)

    @property
    def number(self) -> int:
        return self.entry.number


class Pool(Protocol):
    """A place where trials run: processes of this machine, a Ray cluster, a cloud service."""

    def open(self) -> None:
        """Prepare the pool. Called once, before the first trial starts.

        Raises:
            ConfigError: the pool is not available.
        """

    @property
    def has_capacity(self) -> bool:
        """Whether another trial can start."""

    @property
    def is_busy(self) -> bool:
        """Whether any trial is running."""

    @property
    def trial_resources(self) -> str:
        """Resources of one trial as text, such as ``2 cores``."""

    @property
    def max_parallel(self) -> int:
        """Number of trials that run at once."""

    def start(self, number: int, folder: Path, job: Any) -> None:
        """Start a trial. :meth:`wait` returns its outcome under the same number."""

    def wait(self, seconds: float) -> Iterable[Outcome]:
        """Wait at most this long, and return the outcomes of trials that finished."""

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Request that a trial stops, with a checkpoint if it is training.

        Args:
            number: number of the trial. None: all trials.
            by_signal: whether a signal to this process is the cause.
        """

    def close(self) -> None:
        """Terminate the trials that are still running, at once."""


@runtime_checkable
class RemotePool(Protocol):
    """A pool that submits trials to another service, and can show what it would submit."""

    def validate(self, job: Any) -> None:
        """Raise ConfigError if a trial cannot be submitted. Called for all trials before the first one starts."""

    def preview(self, number: int, folder: Path, job: Any) -> str:
        """Return the request that would submit a trial."""

    def cost_limit(self, trials: int, tries: int) -> str:
        """Return the maximum cost of this many trials as text. Empty: unknown."""


class RemoteJobs(Protocol):
    """The jobs of a sweep on another service, as `battery-lab sweep` sees them from another shell."""

    def collect(self, folder: Path, journal: Journal) -> None:
        """Download the results of finished jobs into the sweep's folder, and record them in its journal."""

    def logs(self, folder: Path, number: int) -> None:
        """Print the log of a trial's job until the job ends."""


@runtime_checkable
class RemoteLauncher(Protocol):
    """A launcher plugin of Hydra whose trials run as jobs on another service."""

    @staticmethod
    def remote_jobs(folder: Path) -> RemoteJobs | None:
        """Return the jobs of the sweep in a folder. None: this launcher did not submit it."""


class TrialSource(Protocol):
    """A source of trials: a fixed list, or a search that proposes one trial after another."""

    def next_trials(self) -> Sequence[Trial]:
        """Return the trials to start next. Called when the pool has capacity. Empty: none at present."""

    def should_prune(self, trial: Trial, progress: TrialProgress) -> bool:
        """Return whether a running trial should stop early."""

    def on_finished(self, trial: Trial) -> None:
        """Receive a trial that finished, in this launch or before, and will not be retried automatically."""


class Display(Protocol):
    """Shows the state of a sweep to the user."""

    def show(self, trials: Sequence[Trial]) -> None:
        """Show the state of all trials."""

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Report that one of the trials started or finished."""
