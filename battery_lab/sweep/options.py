"""How a sweep goes about its trials, whatever launches them: a choice of conf/sweep."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.common.errors import require, require_choice

ON_FAILURE = ("continue", "stop")


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """A choice of conf/sweep.

    Attributes:
        resume: folder of the sweep to go on with; None: the one that the overrides name.
        tries: how often a trial is tried before it counts as failed.
        on_failure: what becomes of the others then: ``continue``, or ``stop``, each with a checkpoint.
        reuse: whether results and checkpoints count that another source or other packages of the lab made.
        dry_run: whether to print the trials and run none.
    """

    resume: str | None
    tries: int
    on_failure: str
    reuse: bool
    dry_run: bool

    def __post_init__(self) -> None:
        require(self.tries >= 1, "sweep.tries", "must be a whole number from 1", self.tries)
        require_choice("sweep.on_failure", self.on_failure, ON_FAILURE)
