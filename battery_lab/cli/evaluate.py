"""`battery-lab evaluate run=<folder>`: judge a stored policy again, on another market if asked.

    battery-lab evaluate run=outputs/runs/<run>
    battery-lab evaluate run=outputs/runs/<run> market=aemo market.path=prices/ battery.wear_per_mwh=0

The policy sees any market through the scales that it was trained with. What is judged, and what it is compared with,
is composed from the run's own trial.yaml; choices on the command line replace the run's. Each judgement is a look at
test time, is noted as one in the run folder, and is kept there under evaluations/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from battery_lab.cli.runner import command, folder_in, keyed
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import build
from battery_lab.config.environment import evaluation_overrides
from battery_lab.config.stored_trial import trial
from battery_lab.config.validation import quiet


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    command(evaluate, __doc__, arguments)


def evaluate(arguments: list[str]) -> dict[str, float]:
    """Judge a stored policy and return its metrics.

    Raises:
        LabError: there is no such run, a choice is at fault, or the policy does not fit the market.
    """
    chosen = keyed(arguments)
    if not chosen.get("run"):
        raise ConfigError("run=<folder> must name the folder of a run, for instance run=outputs/runs/<run>")
    run = folder_in(chosen.pop("run"))
    config = trial(run, [f"{key}={value}" for key, value in chosen.items()])
    _check_overrides(chosen, (*evaluation_overrides(config), "outputs"))
    from rich.console import Console

    with quiet():
        from battery_lab.experiment.reevaluate import reevaluate

    folder = RunFolder(run).evaluations / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S_%f")
    experiment = build(config)
    metrics: dict[str, float] = reevaluate(experiment, run, folder, Console())
    RunFolder(folder).choices.write_text(json.dumps(chosen, indent=1))
    print(f"written to {folder}")
    return metrics


def _check_overrides(keys: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ConfigError for a key that would make the trial another one than the policy was trained on."""
    for key in keys:
        if not any(key == free or key.startswith(f"{free}.") for free in allowed):
            raise ConfigError(
                f"{key} cannot change, as the policy is already trained: battery-lab evaluate takes "
                f"{', '.join(allowed)}; to train another policy, use battery-lab train"
            )


if __name__ == "__main__":
    main()
