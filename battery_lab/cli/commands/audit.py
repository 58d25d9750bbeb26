"""battery-lab audit: check that decisions use only what was known at the time.

    battery-lab audit run=outputs/runs/<run>
    battery-lab audit run=outputs/runs/<run> period=validation moments=500 market.path=newer/
    battery-lab audit decide=my_lab.thresholds:decide market=aemo market.path=prices/ battery.wear_per_mwh=0

With run=, a stored policy decides again, before random moments of the period, on series whose later values are changed.
No decision may differ. The values that battery-lab evaluate takes can be changed.

With decide=, another program's function is checked in the same way, and by giving it the same values at other dates.
It is called for every interval with what is known then, and returns a request in MW, or a bid and an offer per MWh
with env.actions=bids. The command also prints its profit and capture. Options and values of market, battery and env
apply. docs/audit.md describes the input.

moments= (200), seed= (0) and period= (test or validation) can be set. The result is written to audit.json, in the run
folder or below outputs/audits/. The exit status is 1 if decisions moved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.subcommand_arguments import folder, key_values, refuse_retraining, run_folder
from battery_lab.common.errors import ConfigError, require, require_choice
from battery_lab.config.build import build_part, resolve
from battery_lab.config.compose import compose
from battery_lab.config.environment_class_attributes import evaluation_overrides
from battery_lab.config.quiet_imports import quiet_imports
from battery_lab.config.stored_trial import trial

DEFAULTS = {"moments": "200", "seed": "0", "period": "test"}


def main(arguments: list[str]) -> Path:
    """Audit a stored policy or a decision function, print the result and return the path of ``audit.json``.

    Raises:
        LabError: there is no such run or function, or an override is wrong.
        SystemExit: decisions moved.
    """
    given = key_values(arguments)
    settings = {name: given.pop(name, default) for name, default in DEFAULTS.items()}
    require_choice("period", settings["period"], ("test", "validation"))
    moments, seed = (_whole(name, settings[name], low) for name, low in (("moments", 1), ("seed", 0)))
    if ("run" in given) == ("decide" in given):
        raise ConfigError("audit needs either run=<folder> or decide=<package.module>:<function>")
    audit_one = _audit_run if "run" in given else _audit_function
    audit, place = audit_one(given, settings["period"], moments, seed)
    print(audit.text)
    path: Path = audit.write(place, given)
    print(f"written to {path}")
    if not audit.passed:
        sys.exit(1)
    return path


def _audit_run(given: dict[str, str], period: str, moments: int, seed: int) -> tuple[Any, Path]:
    run = run_folder(given)
    chosen = {key: value for key, value in given.items() if key != "run"}
    config = trial(run, [f"{key}={value}" for key, value in chosen.items()])
    refuse_retraining("audit", chosen, (*evaluation_overrides(config), "outputs"))
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.look_ahead_audit import audit_policy

    return audit_policy(build_experiment(config), run, period, moments, seed, Console()), run


def _audit_function(given: dict[str, str], period: str, moments: int, seed: int) -> tuple[Any, Path]:
    make = load_function(given["decide"])
    config = compose([f"{key}={value}" for key, value in given.items() if key != "decide"])
    resolve(config)
    env = build_part(config, "env")
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.look_ahead_audit import audit_function

    name = given["decide"].rpartition(":")[2]
    place = folder(str(config.outputs)) / "audits" / f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S_%f}_{name}"
    return audit_function(env, make, name, period, moments, seed, Console()), place


def load_function(name: str) -> Callable[[], Callable[[Any], Any]]:
    """Return what makes a decision function in its first state: the class itself, or the function, which has none.

    Args:
        name: ``package.module:name`` of a function, or of a class whose objects can be called.

    Raises:
        ConfigError: there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        entry = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"decide={name} must be <package.module>:<function>, and cannot be imported: {error}. "
            "Is its folder on PYTHONPATH?"
        ) from None
    require(callable(entry), f"decide={name}", "must name a function or a class", entry)
    return entry if isinstance(entry, type) else lambda: entry


def _whole(name: str, text: str, low: int) -> int:
    require(text.isdecimal() and int(text) >= low, name, f"must be a whole number, {low} or more", text)
    return int(text)
