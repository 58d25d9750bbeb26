"""battery-lab evaluate: evaluate a trained policy again, also on other markets.

    battery-lab evaluate run=outputs/runs/<run>
    battery-lab evaluate run=outputs/runs/<run> market=aemo market.path=prices/ battery.wear_per_mwh=0

The options and values of the run's trial.yaml apply, except for those that you override. The policy keeps the
observation scales that it was trained with. Each evaluation uses the test period and is recorded. Results go to
evaluations/ in the run folder.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.subcommand_arguments import key_values, refuse_retraining, run_folder
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.environment_class_attributes import evaluation_overrides
from battery_lab.config.quiet_imports import quiet_imports
from battery_lab.config.stored_trial import trial


def main(arguments: list[str]) -> dict[str, float]:
    """Evaluate a trained policy and return its metrics.

    Raises:
        LabError: there is no such run, an override is wrong, or the policy does not fit the market.
    """
    chosen = key_values(arguments)
    run = run_folder(chosen)
    del chosen["run"]
    config = trial(run, [f"{key}={value}" for key, value in chosen.items()])
    refuse_retraining("evaluate", chosen, (*evaluation_overrides(config), "outputs"))
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.reevaluate import reevaluate

    folder = RunFolder(run).evaluations / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S_%f")
    experiment = build_experiment(config)
    metrics: dict[str, float] = reevaluate(experiment, run, folder, Console())
    atomic_write(RunFolder(folder).choices, json.dumps(chosen, indent=1))
    print(f"written to {folder}")
    return metrics
