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
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.subcommand_arguments import folder, key_values, refuse_misspelt, refuse_retraining, run_folder
from battery_lab.common.errors import ConfigError, require, require_choice
from battery_lab.common.forked_process import in_forked_processes
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
    refuse_misspelt("audit", given, ("run", "decide", *DEFAULTS))
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


def _override(key: str, value: str) -> str:
    return key if key.startswith("~") else f"{key}={value}"


def _audit_function(given: dict[str, str], period: str, moments: int, seed: int) -> tuple[Any, Path]:
    make = DecisionFunction(name=given["decide"])
    in_forked_processes("decide", make.check)
    config = compose([_override(key, value) for key, value in given.items() if key != "decide"])
    resolve(config)
    env = build_part(config, "env")
    from rich.console import Console

    with quiet_imports():
        from battery_lab.experiment.look_ahead_audit import audit_function

    name = given["decide"].rpartition(":")[2]
    place = folder(str(config.outputs)) / "audits" / f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S_%f}_{name}"
    return audit_function(env, make, name, period, moments, seed, Console()), place


@dataclass(frozen=True, kw_only=True)
class DecisionFunction:
    """Makes a decision function in its first state: an object of the class, or the function itself, which has none.

    Attributes:
        name: ``package.module:name`` of a function, or of a class whose objects can be called.
    """

    name: str

    def __call__(self) -> Callable[[Any], Any]:
        """Import the module and return the function.

        Raises:
            ConfigError: there is none, or it cannot be made.
        """
        entry = self._entry()
        try:
            decide: Callable[[Any], Any] = entry() if isinstance(entry, type) else entry
        except Exception as error:
            raise ConfigError(
                f"decide={self.name} must be a class that needs no arguments, and making an object of it fails with "
                f"{type(error).__name__}: {error}"
            ) from error
        require(callable(decide), f"decide={self.name}", "must name a class whose objects can be called", decide)
        return decide

    def check(self) -> None:
        """Raise ConfigError unless there is such a function."""
        self()

    def _entry(self) -> Any:
        module, _, attribute = self.name.partition(":")
        wanted = f"decide={self.name} must be <package.module>:<function>"
        if not module or not attribute:
            raise ConfigError(f"{wanted}, such as my_lab.thresholds:decide")
        try:
            entry = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f"{wanted}, and cannot be imported: {error}. Is its folder on PYTHONPATH?") from None
        except Exception as error:
            raise ConfigError(
                f"decide={self.name}: importing {module} fails with {type(error).__name__}: {error}: correct the module"
            ) from error
        require(callable(entry), f"decide={self.name}", "must name a function or a class", entry)
        return entry


def _whole(name: str, text: str, low: int) -> int:
    require(text.isdecimal() and int(text) >= low, name, f"must be a whole number, {low} or more", text)
    return int(text)
