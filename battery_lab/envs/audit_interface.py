"""Audit interface: what a world offers to show that decisions depend only on values that were known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from battery_lab.envs.interfaces import Actor, Evaluation


@dataclass(frozen=True, kw_only=True)
class AuditCheck:
    """One change of the series or of the calls, and the decisions that moved with it.

    Attributes:
        name: what was changed, for instance ``future``.
        change: the same in words.
        decisions: number of decisions that were compared.
        moved: number of those that differ.
        tolerated: share of decisions that may differ; 0 if none may.
        first: when the first ones that differ were made, local times; at most 5.
        error: the first error that a decision raised only after the change; empty if there was none.
        finding: what it means if the check fails.
    """

    name: str
    change: str
    decisions: int
    moved: int
    tolerated: float
    first: tuple[str, ...]
    error: str
    finding: str

    @property
    def passed(self) -> bool:
        """Whether decisions were compared, and no more of them moved than may."""
        return self.decisions > 0 and not self.error and self.moved <= self.tolerated * self.decisions


# A decision of another program: the world documents its input and its result.
Decide = Callable[[Any], Any]


@runtime_checkable
class AuditableWorld(Protocol):
    """A world that can compute decisions again on series that differ where they were not known."""

    def audit(self, actor: Actor, period: str, *, moments: int, seed: int) -> Sequence[AuditCheck]:
        """Check a policy at random moments of a period, at the states of an evaluation.

        Args:
            actor: the policy.
            period: ``validation`` or ``test``.
            moments: number of moments; each interval of the period at most once.
            seed: draws the moments and the values.
        """

    def audit_function(
        self, make: Callable[[], Decide], name: str, period: str, *, moments: int, seed: int
    ) -> tuple[Mapping[str, Evaluation], Sequence[AuditCheck]]:
        """Run another program's decisions through a period, and check them in the same way.

        Args:
            make: returns the function, in its first state. It is called in processes of its own, never in this one.
            name: its name among the evaluations.
            period: ``validation`` or ``test``.
            moments: number of moments.
            seed: draws the moments and the values.

        Returns:
            The evaluations of the function, of ``World.optimum`` and of ``World.rule``; and the checks.

        Raises:
            LabError: the function fails, or returns no decision.
        """
