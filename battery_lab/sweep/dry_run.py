"""Dry run of a sweep: a table of the trials that would run, with their resources and durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from battery_lab.common.duration_text import clock
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.progress_display import differing_choices
from battery_lab.sweep.trial_folder import checkpoint_steps, read_result


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """What a launch would do with a trial.

    Attributes:
        trial: the trial.
        start_steps: environment steps that it would start from. None: the trial is done.
        seconds: estimated duration. None: no earlier run to estimate it from.
    """

    trial: Trial
    start_steps: int | None
    seconds: float | None


def plan_trial(trial: Trial, is_outdated: bool, speed: float | None) -> TrialPlan:
    """Return what a launch would do with a trial.

    Args:
        trial: the trial.
        is_outdated: whether its folder comes from another version of the lab and would be moved aside.
        speed: environment steps per second of earlier runs of its algorithm. None: unknown.
    """
    if not is_outdated and (trial.entry.state.settled or read_result(trial.folder) is not None):
        return TrialPlan(trial=trial, start_steps=None, seconds=0.0)
    start = 0 if is_outdated else checkpoint_steps(trial.folder) or 0
    seconds = max(0, trial.budget - start) / speed if speed and trial.budget is not None else None
    return TrialPlan(trial=trial, start_steps=start, seconds=seconds)


def plan_table(plans: Sequence[TrialPlan], trial_resources: str, max_parallel: int) -> Table:
    """Return the table of a dry run, with a summary as its caption."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    for name in ("trial", "overrides", "action", "env steps", "resources", "time"):
        table.add_column(name, justify="right" if name in ("trial", "env steps", "time") else "left")
    choices = differing_choices([plan.trial.entry for plan in plans])
    for plan in plans:
        table.add_row(*_cells(plan, escape(choices[plan.trial.number]), trial_resources))
    table.caption = _summary(plans, max_parallel)
    return table


def _cells(plan: TrialPlan, choices: str, trial_resources: str) -> tuple[str, ...]:
    budget = "" if plan.trial.budget is None else f"{plan.trial.budget:,}"
    if plan.start_steps is None:
        return str(plan.trial.number), choices, "skip: done", budget, "", ""
    action = f"resume from step {plan.start_steps:,}" if plan.start_steps else "start"
    duration = "?" if plan.seconds is None else clock(plan.seconds)
    return str(plan.trial.number), choices, action, budget, trial_resources, duration


def _summary(plans: Sequence[TrialPlan], max_parallel: int) -> str:
    runs = [plan for plan in plans if plan.start_steps is not None]
    known = [plan.seconds for plan in runs if plan.seconds is not None]
    total = f"{len(runs)} of {len(plans)} trials would run, {max_parallel} at a time; nothing was started"
    if not known:
        return f"{total}. No estimate of the duration: outputs/ has no earlier run of these algorithms"
    missing = len(runs) - len(known)
    rest = f", not counting {missing} trials without an earlier run of their algorithm" if missing else ""
    duration = clock(sum(known) / min(max_parallel, len(known)))
    return f"{total}. Training would take about {duration}{rest}"


def speed_of(speeds: Mapping[str, float], algo: str | None) -> float | None:
    """Return the environment steps per second of an algorithm. None: unknown."""
    return speeds.get(algo) if algo else None
