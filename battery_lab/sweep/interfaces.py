"""What a sweep is made of: trials and their endings, where they come from, where they run, and who is shown them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from battery_lab.sweep.journal import Entry, State
from battery_lab.sweep.trial_folder import Progress, Watch


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a try ended.

    Attributes:
        number: of the trial.
        state: DONE, PRUNED, STOPPED or FAILED.
        result: what it returned, if it is done.
        reason: why it failed.
        raised: whether it failed by an error of its own, and not by what somebody did to its process.
        machine_lost: whether the machine that it ran on was lost, which is no fault of the trial's.
        detached: whether it goes on where it runs, with nobody who waits for it here.
        payload: what a launcher has to hand on.
    """

    number: int
    state: State
    result: Any = None
    reason: str | None = None
    raised: bool = False
    machine_lost: bool = False
    detached: bool = False
    payload: Any = None


class Pool(Protocol):
    """Where trials run."""

    def open(self) -> None:
        """Get ready, before the first trial is begun.

        Raises:
            ConfigError: there is no such place.
        """

    @property
    def has_capacity(self) -> bool:
        """Whether another trial can be begun."""

    @property
    def is_busy(self) -> bool:
        """Whether any trial is under way."""

    @property
    def trial_resources(self) -> str:
        """What a trial takes, in words."""

    @property
    def max_parallel(self) -> int:
        """How many trials run at once."""

    def start(self, number: int, folder: Path, job: Any) -> None:
        """Begin a trial, whose end :meth:`wait` will tell of under its number."""

    def wait(self, seconds: float) -> Iterable[Outcome]:
        """Wait for so long at most, and tell of trials that ended."""

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Ask a trial to stop, with a checkpoint if it trains; None: all of them, because of a signal or not."""

    def close(self) -> None:
        """End what still runs, at once."""


@runtime_checkable
class RemotePool(Protocol):
    """A pool that sends trials elsewhere, and can say what it would send."""

    def validate(self, job: Any) -> None:
        """Raise ConfigError where a trial cannot be sent; asked for all of them before the first is."""

    def preview(self, number: int, folder: Path, job: Any) -> str:
        """Return what would be sent for a trial."""

    def cost_limit(self, trials: int, tries: int) -> str:
        """Return what so many trials cost at most, in words; empty where that is not known."""


@dataclass(kw_only=True, eq=False)
class Trial:
    """A trial of the sweep as this launch knows it.

    Attributes:
        entry: what the journal knows; changes.
        folder: where it keeps all.
        budget: environment steps that it is to train; None where that says nothing.
        job: makes what is sent to the pool; takes the folder to resume, or None.
        outcome: how it ended in this launch, or before.
        tries: how often it was begun in this launch, or since somebody asked for it again.
    """

    entry: Entry
    folder: Path
    budget: int | None
    job: Callable[[Path | None], Any]
    outcome: Outcome | None = None
    tries: int = 0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.folder)

    @property
    def number(self) -> int:
        """Its number in the sweep."""
        return self.entry.number


class Display(Protocol):
    """Shows a sweep to a person."""

    def show(self, trials: Sequence[Trial]) -> None:
        """Show what all trials are at."""

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Tell that a trial, one of those that are known so far, began or ended."""


class TrialSource(Protocol):
    """Where the trials of a launch come from."""

    def next_trials(self) -> Sequence[Trial]:
        """Return trials to begin next, asked for when there is room; none where it has none for now, or for good."""

    def should_prune(self, trial: Trial, progress: Progress) -> bool:
        """Return whether a trial that runs need not come to its end, by how far it has come."""

    def on_finished(self, trial: Trial) -> None:
        """Hear of a trial that came to an end, in this launch or before; it will not be tried again by itself."""
