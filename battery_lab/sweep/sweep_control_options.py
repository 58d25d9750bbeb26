"""Sweep control options: tries, failures, reuse, resumption and dry runs, the same for every launcher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from battery_lab.common.validated_options import Highest, Int, options


@options("sweep")
class SweepOptions:
    """The values of conf/sweep.

    Attributes:
        resume: folder of the sweep to resume. None: the folder that the overrides name.
        tries: attempts per trial in one launch of the sweep. After the last one the trial counts as failed.
        on_failure: effect of a failed trial on the others. ``stop`` stops them with a checkpoint and starts no more.
        reuse: whether to reuse results and checkpoints that another version of the lab or its packages made.
        dry_run: whether to print the trials and run none.
    """

    resume: str | None
    tries: Annotated[Int, Field(ge=1), Highest(1000)]
    on_failure: Literal["continue", "stop"]
    reuse: bool
    dry_run: bool
