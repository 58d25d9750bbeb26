"""The figures of a run folder: judged on test time, written, and every look at them noted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from battery_lab import report
from battery_lab.common.run_folder import RunFolder
from battery_lab.envs.base import Evaluation, World
from battery_lab.experiment.metrics import flat_metrics, table, with_shares
from battery_lab.policies.policy import Policy


def note_test_look(run: Path, policy: str, world: World) -> None:
    """Write down that somebody looks at test time; each look makes the next choice less honest."""
    # As it was typed, which sys.argv is not once a command has put its arguments in order.
    command = shlex.join(sys.orig_argv)
    look = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "command": command, "policy": policy}
    RunFolder(run).append_test_look(look | {"world": dict(world.summary())})


def evaluate_test(
    world: World, policy: Policy, name: str
) -> tuple[dict[str, float], dict[str, Evaluation], pd.DataFrame]:
    """Run a policy and the baselines through test time; returns metrics, judgements by name and the table."""
    judged = {name: world.evaluate(policy, "test")} | world.baselines("test")
    shares = with_shares(world, judged)
    return flat_metrics(shares, name), judged, table(shares, world.score)


def write_results(folder: Path, metrics: Mapping[str, float], judged: Evaluation, name: str) -> None:
    """Write ``dispatch.parquet`` and ``metrics.json``, the latter whole or not at all.

    What is not a number (the lift over a rule that loses money) is null, as JSON has no word for it.
    """
    run = RunFolder(folder)
    run.write_dispatch(judged.frame.assign(policy=name))
    run.write_metrics(metrics)


def write_report(
    folder: Path,
    title: str,
    world: World,
    judged: Mapping[str, Evaluation],
    name: str,
    table: pd.DataFrame,
    curves: pd.DataFrame,
) -> None:
    """Write ``report.html``."""
    others = {other: judgement for other, judgement in judged.items() if other != name}
    report.write_report(
        folder,
        title=title,
        world=world,
        table=table,
        panels=world.panels(judged[name].frame, others),
        curves=curves,
    )
