"""What a sweep would do, as a table: each trial, what it takes, and how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from battery_lab.common.duration import clock
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.progress_table import varied
from battery_lab.sweep.trial_folder import checkpoint_steps, read_result


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a launch would do with a trial.

    Attributes:
        trial: the trial.
        done_steps: environment steps that are trained already; None where the trial is done.
        seconds: that the rest may take; None where no earlier run tells.
    """

    trial: Trial
    done_steps: int | None
    seconds: float | None


def planned(trial: Trial, anew: bool, rate: float | None) -> Plan:
    """Return what would become of a trial.

    Args:
        trial: the trial.
        anew: whether what is in its folder is another source's and would be set aside.
        rate: environment steps a second of earlier runs of its algorithm; None where there is none.
    """
    if not anew and (trial.entry.state.settled or read_result(trial.folder) is not None):
        return Plan(trial=trial, done_steps=None, seconds=0.0)
    done = 0 if anew else checkpoint_steps(trial.folder) or 0
    seconds = max(0, trial.budget - done) / rate if rate and trial.budget is not None else None
    return Plan(trial=trial, done_steps=done, seconds=seconds)


def rendered_plan(plans: Sequence[Plan], takes: str, parallel: int) -> Table:
    """Return the table of a dry run, with its sum as the caption."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    for name in ("trial", "choices", "it would", "env steps", "takes", "time"):
        table.add_column(name, justify="right" if name in ("trial", "env steps", "time") else "left")
    choices = varied([plan.trial.entry for plan in plans])
    for plan in plans:
        table.add_row(*_cells(plan, escape(choices[plan.trial.number]), takes))
    table.caption = _summed(plans, parallel)
    return table


def _cells(plan: Plan, choices: str, takes: str) -> tuple[str, ...]:
    budget = "" if plan.trial.budget is None else f"{plan.trial.budget:,}"
    if plan.done_steps is None:
        return str(plan.trial.number), choices, "be passed over: it is done", budget, "", ""
    does = f"go on from step {plan.done_steps:,}" if plan.done_steps else "begin"
    time = "?" if plan.seconds is None else clock(plan.seconds)
    return str(plan.trial.number), choices, does, budget, takes, time


def _summed(plans: Sequence[Plan], parallel: int) -> str:
    left = [plan for plan in plans if plan.done_steps is not None]
    known = [plan.seconds for plan in left if plan.seconds is not None]
    total = f"{len(left)} of {len(plans)} trials would run, {parallel} at a time; nothing was begun"
    if not known:
        return f"{total}. How long they take cannot be told, as no earlier run of their algorithms is in outputs/"
    rest = f", without {len(left) - len(known)} of which no earlier run tells" if len(known) < len(left) else ""
    return f"{total}. Training would take about {clock(sum(known) / min(parallel, len(known)))}{rest}"


def rate_of(rates: Mapping[str, float], algo: str | None) -> float | None:
    """Return the pace of an algorithm, if it is known."""
    return rates.get(algo) if algo else None
