"""battery-lab evaluate: evaluate a trained policy again, also on other markets, or baselines without any training.

    battery-lab evaluate run=outputs/runs/<run>
    battery-lab evaluate run=outputs/runs/<run> market=aemo market.path=prices/ battery.wear_per_mwh=0
    battery-lab evaluate baseline=receding_horizon,stochastic_dp market=aemo market.path=prices/
    battery-lab evaluate baseline=receding_horizon period=2025-01-01/2025-01-31 market=aemo market.path=prices/

With run=, the options and values of the run's trial.yaml apply, except for those that you override. The policy keeps
the observation scales that it was trained with. Each evaluation uses the test period and is recorded. Results go to
evaluations/ in the run folder.

With baseline=, the named baselines of env.baselines are evaluated, beside perfect foresight and the rule. period= is
test (the default), validation, or the first and the last day on the market's local clock. Options and values of market,
battery and env apply. Results go to outputs/evaluations/.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.subcommand_arguments import folder, key_values, refuse_misspelt, refuse_retraining, run_folder
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import build_part, resolve
from battery_lab.config.compose import compose
from battery_lab.config.environment_class_attributes import evaluation_overrides
from battery_lab.config.quiet_imports import quiet_imports
from battery_lab.config.stored_trial import trial


def main(arguments: list[str]) -> dict[str, float]:
    """Evaluate a trained policy, or baselines, and return the metrics.

    Raises:
        LabError: there is no such run or baseline, an override is wrong, or the policy does not fit the market.
    """
    chosen = key_values(arguments)
    refuse_misspelt("evaluate", chosen, ("run", "baseline", "period"))
    if "baseline" in chosen and "run" in chosen:
        raise ConfigError("evaluate takes either run=<folder> or baseline=<names>: leave one out")
    return _evaluate_baselines(chosen) if "baseline" in chosen else _evaluate_run(chosen)


def _evaluate_baselines(chosen: dict[str, str]) -> dict[str, float]:
    names = [name.strip() for name in chosen.pop("baseline").strip("[]'\"").split(",")]
    period = chosen.pop("period", "test").strip("'\"")
    config = compose([key if key.startswith("~") else f"{key}={value}" for key, value in chosen.items()])
    resolve(config)
    env = build_part(config, "env")
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.evaluate_baselines import evaluate_baselines

    place = folder(str(config.outputs)) / "evaluations" / f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S_%f}_baselines"
    metrics: dict[str, float] = evaluate_baselines(env, names, period, place, Console())
    atomic_write(RunFolder(place).choices, json.dumps({"period": period, **chosen}, indent=1))
    print(f"written to {place}")
    return metrics


def _evaluate_run(chosen: dict[str, str]) -> dict[str, float]:
    if "period" in chosen:
        raise ConfigError(f"period={chosen['period']} goes with baseline=: a policy is evaluated on the test period")
    run = run_folder(chosen)
    del chosen["run"]
    config = trial(run, [f"{key}={value}" for key, value in chosen.items()])
    refuse_retraining("evaluate", chosen, (*evaluation_overrides(config), "outputs"))
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.reevaluate import reevaluate

    place = RunFolder(run).evaluations / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S_%f")
    experiment = build_experiment(config)
    metrics: dict[str, float] = reevaluate(experiment, run, place, Console())
    atomic_write(RunFolder(place).choices, json.dumps(chosen, indent=1))
    print(f"written to {place}")
    return metrics
