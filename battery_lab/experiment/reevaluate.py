"""Reevaluation: the policy of a finished run on the test period of its own or another environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from battery_lab import report
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.envs.interfaces import World
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment import final_evaluation
from battery_lab.experiment.experiment import Experiment
from battery_lab.policies.policy import Policy
from battery_lab.policies.policy_spec import read_spec


def reevaluate(experiment: Experiment, run: Path, folder: Path, console: Console) -> dict[str, float]:
    """Evaluate the policy of a run on the test period of an experiment's environment.

    Args:
        experiment: the experiment of the run, or one with other data or another environment of the same shape.
        run: the run folder.
        folder: receives the results; created if missing.
        console: prints the table.

    Returns:
        The metrics.

    Raises:
        LabError: the policy does not fit the environment, or the data are invalid.
    """
    name = experiment.name
    world, policy = open_stored_policy(experiment, run)
    final_evaluation.record_test_look(run, name, world)
    metrics, evaluations, table = final_evaluation.evaluate_test(world, policy, name)
    folder.mkdir(parents=True, exist_ok=True)
    final_evaluation.write_results(folder, metrics, evaluations[name], name)
    final_evaluation.write_results_page(
        folder, f"{name}, evaluated again", world, evaluations, name, table, pd.DataFrame()
    )
    console.print(report.render_table(table, world))
    return metrics


def open_stored_policy(experiment: Experiment, run: Path) -> tuple[World, Policy]:
    """Open an experiment's environment with the policy of a run.

    Args:
        experiment: the experiment of the run, or one with other data or another environment of the same shape.
        run: the run folder.

    Raises:
        LabError: the policy does not fit the environment, or the data are invalid.
    """
    spec = read_spec(RunFolder(run).policy)
    source = WorldSource(
        env=experiment.env,
        actions=spec["actions"],
        observation_state=spec["observation_state"],
    )
    world = source.open()
    _check_fits(spec, world)
    return world, experiment.load_policy(world, run)


def _check_fits(spec: Mapping[str, Any], world: World) -> None:
    """Raise ConfigError if observations or actions differ from those in training."""
    outputs = len(world.action.values[0] if spec["actions"] == "discrete" else world.action.names)
    for quantity, trained, now in (
        ("action outputs", int(spec["outputs"]), outputs),
        ("numbers in an observation", int(spec["observation_size"]), world.layout.size),
    ):
        if trained != now:
            raise ConfigError(
                f"the policy was trained with {trained} {quantity}, and cannot be evaluated with {now}: "
                "use the options of env and observation that it was trained with"
            )
