"""Arguments of `battery-lab train`: ``resume=``, ``rerun=`` and ``sweep.resume=`` become arguments for Hydra."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from omegaconf import OmegaConf

from battery_lab.cli.subcommand_arguments import folder
from battery_lab.common.errors import ConfigError
from battery_lab.common.flat_keys import leaves
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.override_kinds import (
    SWEEP_GROUPS,
    check_groups,
    check_one_each,
    check_ranges,
    group_of,
    is_group,
)
from battery_lab.config.stored_sweep_command import load_command
from battery_lab.config.stored_trial import load_trial

RERUN_FOLDER = "${outputs}/runs/${now:%Y-%m-%d_%H-%M-%S}_rerun_${short_id:}"
MULTIRUN = {"--multirun", "-m"}
MAY_SWEEP = ("experiment", *SWEEP_GROUPS)  # groups whose options may set hydra.mode to a sweep
COMPLETIONS = ("install", "uninstall", "query")
CONFIG_FLAGS = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"}


def hydra_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as Hydra reads them.

    Raises:
        LabError: a stored run or sweep cannot be read, or an argument is wrong.
    """
    return _flags_first(_from_stored_trial(_from_sweep(list(arguments))))


def _flags_first(arguments: list[str]) -> list[str]:
    """Return flags and then overrides, which is the order that argparse needs.

    Raises:
        ConfigError: a flag is unknown, a group is given no option, or --config-dir names no folder.
    """
    given, unknown = _parsed_flags(arguments)
    for argument in unknown:
        if argument.startswith("-"):
            key = argument.lstrip("-").partition("=")[0]
            raise ConfigError(
                f"{argument} is not a flag: overrides are written without dashes, as {key}=...; flags are --help, "
                "--multirun, --cfg job and --config-dir, and --hydra-help lists the others"
            )
    if given.config_dir and not Path(given.config_dir).is_dir():
        raise ConfigError(f"--config-dir {given.config_dir}: no such folder, seen from {Path.cwd()}")
    overrides = [*given.overrides, *unknown]
    for override in overrides:
        if override.lstrip("+~").startswith("="):
            raise ConfigError(f"{override!r} cannot be read: a key is missing before the =, as in seed=1")
    check_ranges(overrides)
    check_groups(overrides, sweep=given.multirun or any(group_of(override) in MAY_SWEEP for override in overrides))
    check_one_each(overrides)
    return [*(argument for argument in arguments if argument not in overrides), *overrides]


def _parsed_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return Hydra's flags, and what is none of them.

    Raises:
        ConfigError: a flag lacks its value, has a wrong one, or is of no use without another.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        given, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error.argument_name}: {error.message}; see battery-lab train --help") from None
    if given.resolve and given.cfg is None and not given.help:
        raise ConfigError("--resolve needs --cfg job, whose output it changes: add it, or leave --resolve out")
    if given.package is not None and given.cfg is None:
        raise ConfigError(f"--package {given.package} needs --cfg job, of which it shows a part: add it")
    kinds = {"--run": given.run, "--multirun": given.multirun, "--cfg": given.cfg, "--info": given.info}
    chosen = [flag for flag, value in (kinds | {"--shell-completion": given.shell_completion}).items() if value]
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)} cannot be combined: leave one out")
    if given.shell_completion and sum(f"{word}=" in " ".join(arguments) for word in COMPLETIONS) != 1:
        raise ConfigError(f"--shell-completion needs one of {', '.join(f'{word}=<shell>' for word in COMPLETIONS)}")
    return given, unknown


def _from_sweep(arguments: list[str]) -> list[str]:
    """Replace ``sweep.resume=<folder>`` by the command that started the sweep; other arguments override its own.

    Raises:
        LabError: the folder holds no sweep that can be read, or paths in the command count from another folder.
    """
    resumed = _chosen(arguments, "sweep.resume=")
    if not resumed:
        return arguments
    sweep = folder(resumed[-1].partition("=")[2])
    rest = [argument for argument in arguments if argument not in resumed and argument not in MULTIRUN]
    replaced = {"hydra.sweep.dir", *(argument.partition("=")[0] for argument in rest)}
    command, directory = load_command(sweep)
    if directory is not None and Path(directory) != Path.cwd():
        raise ConfigError(
            f"the sweep {sweep.resolve()} was started in {directory}, and its paths are relative to that folder: "
            "go there first (cd)"
        )
    stored = [argument for argument in command if argument.partition("=")[0] not in replaced]
    return ["--multirun", *stored, *rest, f"hydra.sweep.dir={_quoted(sweep.resolve())}"]


def _from_stored_trial(arguments: list[str]) -> list[str]:
    """Replace ``resume=<folder>`` or ``rerun=<folder>`` by flags that compose the folder's own trial.yaml.

    Values among the arguments override those of the stored trial.

    Raises:
        LabError: the folder holds no trial that can be read, or an override would replace a part of it.
    """
    stored = _chosen(arguments, "resume=", "rerun=")
    if not stored:
        return arguments
    if len(stored) > 1:
        raise ConfigError(f"{stored[0]} and {stored[1]} cannot be combined: leave one out")
    name, _, text = stored[0].partition("=")
    run = folder(text)
    load_trial(run, name)
    rest = [argument for argument in arguments if argument not in stored]
    _check_values_only(name, rest)
    # A stored trial has no groups around it: they are added.
    rest = [f"+{argument.lstrip('+')}" if is_group(argument) else argument for argument in rest]
    if MULTIRUN & set(rest) and not any(group_of(argument) == "launcher" for argument in rest):
        rest.append("+launcher=local")
    flags = ["--config-dir", str(run.resolve()), "--config-name", Path(RunFolder.TRIAL).stem]
    target = run.resolve() if name == "resume" else RERUN_FOLDER
    return [*flags, f"{name}={_quoted(run)}", f"hydra.run.dir={_quoted(target)}", *_hydra_settings(), *rest]


def _chosen(arguments: Sequence[str], *prefixes: str) -> list[str]:
    return [argument for argument in arguments if argument.startswith(prefixes) and not argument.endswith("=null")]


def _check_values_only(name: str, arguments: Sequence[str]) -> None:
    """Raise ConfigError where an argument would replace a whole part of a stored trial."""
    for argument in arguments:
        if is_group(argument) and group_of(argument) not in SWEEP_GROUPS:
            raise ConfigError(
                f"{argument} cannot be combined with {name}=, which takes the stored options: change single values "
                "(algo.lr=...), or start a new run"
            )
        if argument.partition("=")[0] in CONFIG_FLAGS:
            raise ConfigError(f"{argument} cannot be combined with {name}=, which takes the stored options: omit it")


def _hydra_settings() -> list[str]:
    """Return the lab's settings of Hydra, which a stored trial does not hold, as overrides."""
    own: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "config.yaml"), resolve=False)
    settings = leaves({key: own["hydra"][key] for key in ("job_logging", "sweep") if key in own["hydra"]}, "hydra")
    return [f"{key}={_quoted(value)}" for key, value in settings.items()]


def _quoted(value: object) -> str:
    escaped = str(value).replace("'", "\\'")
    return f"'{escaped}'"
