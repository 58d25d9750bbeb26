"""Where the results of a run go: always into its folder, and from there to a store of trials if one is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from battery_lab.tracking.run_log import RunLog

__all__ = ["NoTracking", "RunLog", "Status", "Tracker", "Tracking"]

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracking(Protocol):
    """A run that is being tracked."""

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Track metrics at an environment step; the folder's RunLog has them already."""

    def finish(self, status: Status) -> None:
        """Track how the run ended, with what its folder then holds."""


class Tracker(Protocol):
    """A choice of conf/tracking: takes a run's results to a place where trials are compared.

    The run folder is the truth. A tracker never stops or slows a training, and what it could not deliver can be
    delivered later from the folder.
    """

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Begin to track a run, or go on with one that was resumed.

        Args:
            folder: the run folder; its curves are those that the run goes on from.
            name: what people will call the run.
            config: the composed choices as plain values.
        """

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Track how a sweep ended, and bring what its trials could not bring themselves.

        Args:
            sweep: its folder.
            done: folders and composed choices of trials that came to their end.
            status: how it ended.
            figures: of the sweep as a whole.
        """


@dataclass(frozen=True, kw_only=True)
class NoTracking:
    """The choice ``tracking=none``: the run folder is all there is."""

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Return a tracking that does nothing."""
        return _Nowhere()

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Do nothing."""


class _Nowhere:
    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        pass

    def finish(self, status: Status) -> None:
        pass
