"""Function audit checks: the future, restarts and dates must not move decisions, and how many decisions they moved."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.audit_interface import AuditCheck
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.policy_audit import local_times

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
TOLERATED = 0.05  # share of decisions that may move with the date
NOTHING_COMPARED = (
    "the function held at every decision that counts, which shows nothing: choose more moments=, or a period in which "
    "it buys or sells"
)


@dataclass(kw_only=True)
class Comparison:
    """Decisions that were compared, and the rows of those that moved; the other fields are those of ``AuditCheck``."""

    name: str
    change: str
    finding: str
    tolerated: float = 0.0
    decisions: int = 0
    moved: list[int] = field(default_factory=list)
    error: str = ""

    def add(self, rows: Rows, compared: Flags, moved: Flags, error: str) -> None:
        """Add decisions.

        Args:
            rows: (N,) rows of the decisions.
            compared: (N,) whether each of them counts.
            moved: (N,) whether it moved.
            error: the first error of the function; empty if there was none.
        """
        self.decisions += int(compared.sum())
        self.moved += rows[compared & moved].tolist()
        self.error = self.error or error

    def check(self, problem: DispatchProblem) -> AuditCheck:
        """Return the check, with the times of the decisions that moved."""
        return AuditCheck(
            name=self.name,
            change=self.change,
            decisions=self.decisions,
            moved=len(self.moved),
            tolerated=self.tolerated,
            first=local_times(problem.series, np.array(self.moved, np.int64)),
            error=self.error,
            finding=self.finding if self.decisions else NOTHING_COMPARED,
        )


def comparisons(moments: int) -> tuple[Comparison, Comparison, Comparison]:
    """Return the checks ``future``, ``restart`` and ``dates`` of a function audit at some moments."""
    return (
        Comparison(
            name="future",
            change=f"all values that were not known at {moments} moments changed",
            finding="it reads values that are not known when the interval is dispatched",
        ),
        Comparison(
            name="restart",
            change="started again one day before each moment",
            finding="it depends on earlier calls: a decision must follow from its input, and state that it keeps must "
            "be rebuilt within a day",
            tolerated=TOLERATED,
        ),
        Comparison(
            name="dates",
            change="the same values at dates 52 weeks later, without the first ones",
            finding="it has data of its own, which it looks up by date or by position: pass these data as columns of "
            "the market",
            tolerated=TOLERATED,
        ),
    )
