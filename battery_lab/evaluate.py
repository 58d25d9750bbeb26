"""`python -m battery_lab.evaluate run=<folder>`: judge a stored policy again, on another market if asked.

    python -m battery_lab.evaluate run=outputs/runs/<run>
    python -m battery_lab.evaluate run=outputs/runs/<run> market=aemo market.path=prices/ battery.wear_per_mwh=0

The policy sees any market through the scales that it was trained with. What is judged, and what it is compared with,
is composed from the run's own trial.yaml; choices on the command line replace the run's. Each judgement is a look at
test time, is noted as one in the run folder, and is kept there under evaluations/.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from battery_lab.compose import build, compose, is_group, quiet, yaml_value
from battery_lab.errors import ConfigError
from battery_lab.mistakes import no_key, told, wants_traceback

FREE = ("market", "battery", "env.price_lag", "env.validation_days", "env.test_days", "env.baselines", "outputs")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    try:
        evaluate(arguments)
    except (Exception, KeyboardInterrupt) as error:
        ending = told(error)
        if ending is None or wants_traceback():
            raise
        print(ending[0], file=sys.stderr)
        sys.exit(ending[1])


def evaluate(arguments: list[str]) -> dict[str, float]:
    """Judge a stored policy and return its metrics.

    Raises:
        LabError: there is no such run, a choice is at fault, or the policy does not fit the market.
    """
    chosen = dict(_split(argument) for argument in arguments)
    if not chosen.get("run"):
        raise ConfigError("run=<folder> must name the folder of a run, for instance run=outputs/runs/<run>")
    run = Path(chosen.pop("run").strip("'\"")).expanduser()
    config = trial(run, [f"{key}={value}" for key, value in chosen.items()])
    _check_free(chosen)
    from rich.console import Console

    with quiet():
        from battery_lab.experiment import judge_stored

    folder = run / "evaluations" / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S_%f")
    experiment = build(config)
    metrics: dict[str, float] = judge_stored(experiment, run, folder, Console())
    (folder / "choices.json").write_text(json.dumps(chosen, indent=1))
    print(f"written to {folder}")
    return metrics


def trial(run: Path, overrides: list[str]) -> DictConfig:
    """Return a run's stored trial with other choices put in.

    Raises:
        ConfigError: the folder holds no trial, or an override names what is not there.
    """
    path = run / "trial.yaml"
    if not path.is_file():
        raise ConfigError(f"run={run} must name a run folder that holds trial.yaml, and it holds none")
    stored = OmegaConf.load(path)
    if not isinstance(stored, DictConfig):
        raise ConfigError(f"{path} does not hold a trial")
    OmegaConf.set_struct(stored, True)
    rest = list(overrides)
    for override in (o for o in overrides if is_group(o)):
        group = override.partition("=")[0]
        inside = [o for o in rest if o.startswith(f"{group}.")]
        chosen = compose([override, *inside])[group]
        OmegaConf.update(stored, group, OmegaConf.to_container(chosen, resolve=False), merge=False, force_add=True)
        rest = [o for o in rest if o != override and o not in inside]
    for override in rest:
        key, _, text = override.partition("=")
        _check_there(key, stored)
        OmegaConf.update(stored, key, yaml_value(text), merge=True)
    return stored


def _check_there(key: str, stored: DictConfig) -> None:
    parent, _, name = key.rpartition(".")
    above = OmegaConf.select(stored, parent) if parent else stored
    if not OmegaConf.is_dict(above) or name not in above:
        raise ConfigError(no_key(key, cast(dict[str, Any], OmegaConf.to_container(stored, resolve=False))))


def _check_free(keys: Iterable[str]) -> None:
    """Raise ConfigError unless the choices leave the stored policy what it is."""
    for key in keys:
        if not any(key == free or key.startswith(f"{free}.") for free in FREE):
            raise ConfigError(
                f"{key} cannot change, as the policy is trained already: .evaluate takes {', '.join(FREE)}; for "
                "another policy train one: python -m battery_lab ..."
            )


def _split(argument: str) -> tuple[str, str]:
    key, sign, value = argument.partition("=")
    if not sign:
        raise ConfigError(f"{argument!r} must be written as key=value, for instance run=outputs/runs/<run>")
    return key, value


if __name__ == "__main__":
    main()
