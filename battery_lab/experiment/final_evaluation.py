"""Final evaluation: policy and baselines on the test period, and the files of the results."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from battery_lab import report
from battery_lab.common.run_folder import RunFolder
from battery_lab.envs.interfaces import Evaluation, NotedWorld, World, known_when
from battery_lab.experiment.policy_metrics import flat_metrics, table, with_shares
from battery_lab.policies.policy import Policy

KNOWN = "test/known"


def record_test_look(run: Path, policy: str, world: World) -> None:
    """Record a use of the test period: each use biases later decisions."""
    # The command as typed; commands reorder sys.argv.
    command = shlex.join(sys.orig_argv)
    look = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "command": command, "policy": policy}
    RunFolder(run).append_test_look(look | {"world": dict(world.summary())})


def evaluate_test(
    world: World, policy: Policy, name: str
) -> tuple[dict[str, float], dict[str, Evaluation], pd.DataFrame]:
    """Evaluate a policy and the baselines on the test period.

    Returns:
        The metrics, the evaluations by name, and the table of policies.
    """
    evaluations = {name: world.evaluate(policy, "test")} | world.baselines("test")
    shares = with_shares(world, evaluations)
    code = known_when(world)[1]
    metrics = flat_metrics(shares, name) | ({} if math.isnan(code) else {KNOWN: code})
    metrics |= world.data_counts() if isinstance(world, NotedWorld) else {}
    return metrics, evaluations, table(shares, world.score)


def write_results(folder: Path, metrics: Mapping[str, float], evaluation: Evaluation, name: str) -> None:
    """Write ``dispatch.parquet``, then ``metrics.json``."""
    run = RunFolder(folder)
    run.write_dispatch(evaluation.frame.assign(policy=name))
    run.write_metrics(metrics)


def write_results_page(
    folder: Path,
    title: str,
    world: World,
    evaluations: Mapping[str, Evaluation],
    name: str,
    table: pd.DataFrame,
    curves: pd.DataFrame,
    figures: Mapping[str, float] | None = None,
) -> None:
    """Write ``report.html``; ``figures`` are the metrics of a training that has not written them yet."""
    others = {other: evaluation for other, evaluation in evaluations.items() if other != name}
    report.write_report(
        folder,
        title=title,
        world=world,
        table=table,
        panels=world.panels(evaluations[name].frame, others),
        curves=curves,
        figures=figures,
    )
