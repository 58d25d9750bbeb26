"""Options of a sweep: a choice of conf/sweep, the same for every launcher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from battery_lab.common.options import Int, options


@options("sweep")
class SweepOptions:
    """A choice of conf/sweep.

    Attributes:
        resume: folder of the sweep to resume. None: the folder that the overrides name.
        tries: number of attempts per trial and launch before the trial counts as failed.
        on_failure: effect of a failed trial on the others. ``stop`` stops them with a checkpoint and starts no more.
        reuse: whether results and checkpoints of another version of the lab or its packages count.
        dry_run: whether to print the trials and run none.
    """

    resume: str | None
    tries: Annotated[Int, Field(ge=1)]
    on_failure: Literal["continue", "stop"]
    reuse: bool
    dry_run: bool
