"""Tracking: the interface between a run and a store where trials are compared, and the run log in the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from battery_lab.common.validated_options import options
from battery_lab.tracking.run_log import RunLog

__all__ = ["NoTracking", "RunLog", "Status", "Tracker", "Tracking"]

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracking(Protocol):
    """A run that is being tracked."""

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Track metrics at an environment step. The RunLog of the folder holds them already."""

    def finish(self, status: Status) -> None:
        """Track the end of the run, with what its folder then holds."""


@runtime_checkable
class Tracker(Protocol):
    """An option of conf/tracking: sends the results of runs to a store where trials are compared.

    The run folder is the source of truth. A tracker never stops or slows down a training, and what it could not send
    can be sent later from the folder.
    """

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Start to track a run, also after it was resumed.

        Args:
            folder: the run folder; its curves end where the run starts.
            name: name of the run in the store.
            config: the composed configuration as plain values.
        """

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Track the end of a sweep, and send what its trials could not send themselves.

        Args:
            sweep: folder of the sweep.
            done: configurations of the finished trials, by their folders.
            status: status of the sweep.
            figures: metrics of the sweep as a whole.
        """


@options("tracking")
class NoTracking:
    """The option ``tracking=none``: results stay in the run folder."""

    def start(self, folder: Path, name: str, config: Mapping[str, Any]) -> Tracking:
        """Return a tracking that does nothing."""
        return _NoRun()

    def end_sweep(
        self, sweep: Path, done: Mapping[Path, Mapping[str, Any]], status: Status, figures: Mapping[str, float]
    ) -> None:
        """Do nothing."""


class _NoRun:
    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        pass

    def finish(self, status: Status) -> None:
        pass
