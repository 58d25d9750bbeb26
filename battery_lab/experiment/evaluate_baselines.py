"""Evaluate baselines: the baselines of an environment on a period, without any training."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from battery_lab import report
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.envs.baseline_interface import BaselinePeriod, DatedEnvironment
from battery_lab.envs.interfaces import Environment, Evaluation, World
from battery_lab.experiment.policy_metrics import table, with_shares

PERIODS = ("test", "validation")


def evaluate_baselines(
    env: Environment, names: Sequence[str], period: str, folder: Path, console: Console
) -> dict[str, float]:
    """Evaluate baselines, beside the optimum and the rule that they are compared with.

    Args:
        env: the environment.
        names: the baselines.
        period: ``test``, ``validation``, or the first and the last day, ``2025-01-01/2025-01-31``.
        folder: receives ``metrics.json`` and ``<baseline>/dispatch.parquet``; created if missing.
        console: prints the table.

    Returns:
        The metrics, as ``baseline/<name>/<metric>``.

    Raises:
        LabError: there is no such baseline or period, or the data are invalid.
    """
    world, evaluations = _evaluate(env, names, period)
    shares = with_shares(world, evaluations)
    metrics = {f"baseline/{name}/{key}": value for name, values in shares.items() for key, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, evaluation in evaluations.items():
        (folder / name).mkdir(exist_ok=True)
        RunFolder(folder / name).write_dispatch(evaluation.frame)
    RunFolder(folder).write_metrics(metrics)
    console.print(report.render_table(table(shares, world.score), world, period))
    return metrics


def _evaluate(
    env: Environment, names: Sequence[str], period: str
) -> tuple[World | BaselinePeriod, dict[str, Evaluation]]:
    if isinstance(env, DatedEnvironment):
        _check_names(names, env.baselines)
    if period in PERIODS:
        world = env.open(env.offers[0])
        found = world.baselines(period)
        _check_names(names, found)
        return world, {name: found[name] for name in _with_references(names, world)}
    if not isinstance(env, DatedEnvironment):
        raise ConfigError(f"period must be {' or '.join(PERIODS)} in this environment, got {period!r}")
    days = env.open_days(period)
    return days, days.baselines(_with_references(names, days))


def _with_references(names: Sequence[str], world: World | BaselinePeriod) -> list[str]:
    """Return the names, and those of the optimum and the rule, once each."""
    return list(dict.fromkeys((*names, world.rule, world.optimum)))


def _check_names(names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            choices = ", ".join(known)
            raise ConfigError(f"baseline={name} is not in env.baselines, which has {choices}: choose from these")
