"""`python -m battery_lab`: compose a trial, train it, judge it, report it.

python -m battery_lab reward=degradation algo=ppo
python -m battery_lab resume=outputs/runs/<run>
python -m battery_lab rerun=outputs/runs/<run> seed=1
python -m battery_lab --multirun algo=ppo,dqn seed=range(0,5) hydra.launcher.parallel=2
python -m battery_lab sweep.resume=outputs/sweeps/<sweep>
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from battery_lab.cli.error_messages import ASK, Ending, check_logins, told
from battery_lab.cli.run_trial import run_trial
from battery_lab.cli.runner import clear_ending
from battery_lab.common.errors import LabError, causes
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import names_in, options_with, register_resolvers
from battery_lab.config.hydra_errors import explained
from battery_lab.config.overrides import AROUND, check_groups, check_one_each, group_of, is_group
from battery_lab.config.paths import conf_dir
from battery_lab.config.stored_trial import leaves, load_trial
from battery_lab.config.sweep_name import load_command

RERUN_FOLDER = "${outputs}/runs/${now:%Y-%m-%d_%H-%M-%S}_rerun_${short_id:}"
MULTIRUN = {"--multirun", "-m"}
CONFIG_FLAGS = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"}


def main() -> None:
    """Run the command."""
    register_resolvers()
    with clear_ending(_told):
        sys.argv[1:] = _ordered(from_stored(from_sweep(sys.argv[1:])))
        with _errors_raised():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run_trial)()


def _told(error: BaseException) -> Ending | None:
    if isinstance(error, HydraException) and not any(isinstance(cause, KeyboardInterrupt) for cause in causes(error)):
        return told(explained(error, _names(sys.argv[1:]), options_with))
    return told(error)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Have Hydra raise errors, which are told better here, rather than print them and exit."""
    before = os.environ.get(ASK)
    os.environ[ASK] = "1"
    try:
        yield
    finally:
        os.environ.pop(ASK)
        if before is not None:
            os.environ[ASK] = before


def _ordered(arguments: list[str]) -> list[str]:
    """Return flags first and then all choices, as argparse wants them.

    Raises:
        LabError: a choice is written as a flag, a choice carries a password, a group is given what cannot be an
            option, or the folder of options is not there.
    """
    given, unknown = get_args_parser().parse_known_args(arguments)
    for argument in unknown:
        if argument.startswith("-"):
            key = argument.lstrip("-").partition("=")[0]
            raise LabError(
                f"{argument} is no flag: choices are written without dashes, as {key}=...; flags are --help, "
                "--multirun, --cfg job and --config-dir, and --hydra-help lists the rest"
            )
    if given.config_dir and not Path(given.config_dir).is_dir():
        raise LabError(f"--config-dir {given.config_dir}: there is no such folder, seen from {Path.cwd()}")
    choices = [*given.overrides, *unknown]
    check_logins(choices)
    check_groups(choices, sweep=given.multirun)
    check_one_each(choices)
    return [*(argument for argument in arguments if argument not in choices), *choices]


def _names(arguments: list[str]) -> Any:
    """Return the configuration in which a mistaken name was meant to be."""
    given, _ = get_args_parser().parse_known_args(arguments)
    if given.config_name == Path(RunFolder.TRIAL).stem:
        return OmegaConf.to_container(load_trial(Path(given.config_dir)), resolve=False)
    own = [f"hydra.searchpath=['file://{Path(given.config_dir).resolve()}']"] if given.config_dir else []
    return names_in([*own, *(override for override in given.overrides if is_group(override))])


def from_sweep(arguments: list[str]) -> list[str]:
    """Turn ``sweep.resume=<folder>`` into the command that made the sweep, with what else is given in its place.

    Raises:
        LabError: the folder holds no sweep that can be read.
    """
    given = [a for a in arguments if a.startswith("sweep.resume=") and not a.endswith("=null")]
    if not given:
        return arguments
    folder = Path(given[-1].partition("=")[2].strip("'\"")).expanduser()
    rest = [a for a in arguments if a not in given and a not in MULTIRUN]
    mine = {"hydra.sweep.dir", *(argument.partition("=")[0] for argument in rest)}
    command, directory = load_command(folder)
    if directory is not None and Path(directory) != Path.cwd():
        raise LabError(
            f"the sweep {folder.resolve()} was begun in {directory}, from where its paths count: go there first (cd)"
        )
    stored = [argument for argument in command if argument.partition("=")[0] not in mine]
    return ["--multirun", *stored, *rest, f"hydra.sweep.dir={_quoted(folder.resolve())}"]


def from_stored(arguments: list[str]) -> list[str]:
    """Turn ``resume=<folder>`` and ``rerun=<folder>`` into a composition from the folder's own trial.yaml.

    Hydra then composes the stored trial instead of the defaults, and takes values on top as ever.

    Raises:
        LabError: the folder holds no trial that can be read, or what comes with it would be another one.
    """
    given = [a for a in arguments if a.startswith(("resume=", "rerun=")) and not a.endswith("=null")]
    if not given:
        return arguments
    if len(given) > 1:
        raise LabError(f"{given[0]} and {given[1]} cannot be had together: leave one out")
    name, _, text = given[0].partition("=")
    folder = Path(text.strip("'\"")).expanduser()
    load_trial(folder, name)
    rest = [argument for argument in arguments if argument not in given]
    for argument in rest:
        if is_group(argument) and group_of(argument) not in AROUND:
            raise LabError(
                f"{argument} cannot be chosen with {name}=, which takes the stored choices: change single values "
                "(algo.lr=...), or start a new run"
            )
        if argument.partition("=")[0] in CONFIG_FLAGS:
            raise LabError(f"{argument} cannot be had with {name}=, which takes the stored choices: leave it out")
    # A stored trial has no such groups to choose in: they are added.
    rest = [f"+{a.lstrip('+')}" if is_group(a) else a for a in rest]
    if MULTIRUN & set(rest) and not any(group_of(argument) == "launcher" for argument in rest):
        rest.append("+launcher=local")
    stored = ["--config-dir", str(folder.resolve()), "--config-name", Path(RunFolder.TRIAL).stem]
    target = folder.resolve() if name == "resume" else RERUN_FOLDER
    return [*stored, f"{name}={_quoted(folder)}", f"hydra.run.dir={_quoted(target)}", *_settings(), *rest]


def _settings() -> list[str]:
    """Return the lab's own settings of Hydra, which are no part of a trial, as overrides."""
    own: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "config.yaml"), resolve=False)
    settings = leaves({key: own["hydra"][key] for key in ("job_logging", "sweep") if key in own["hydra"]}, "hydra")
    return [f"{key}={_quoted(value)}" for key, value in settings.items()]


def _quoted(value: object) -> str:
    escaped = str(value).replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    main()
