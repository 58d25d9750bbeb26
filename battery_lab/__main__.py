"""`python -m battery_lab`: compose a trial, train it, judge it, report it.

python -m battery_lab reward=degradation algo=ppo
python -m battery_lab resume=outputs/runs/<run>
python -m battery_lab rerun=outputs/runs/<run> seed=1
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from battery_lab.compose import build, check_groups, is_group, names_in, register_resolvers
from battery_lab.errors import LabError
from battery_lab.locate import conf_dir
from battery_lab.mistakes import ASK, explained, told, wants_traceback

TRIAL = "trial.yaml"
RERUN_FOLDER = "${outputs}/runs/${now:%Y-%m-%d_%H-%M-%S}_rerun_${short_id:}"
# What may change when a run goes on: how long it trains, and where things are kept. The rest makes another trial.
MAY_CHANGE = ("train.", "tracking", "outputs", "resume", "rerun")
CONFIG_FLAGS = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"}


class Ended(BaseException):
    """A run ended in a way that a person is told about; no Exception, so that Hydra adds nothing of its own.

    Attributes:
        ending: the message and the exit status.
    """

    def __init__(self, ending: tuple[str, int]) -> None:
        """Remember the message and the exit status."""
        super().__init__(*ending)
        self.ending = ending


def main() -> None:
    """Run the command."""
    register_resolvers()
    asked = wants_traceback()
    try:
        sys.argv[1:] = _ordered(from_stored(sys.argv[1:]))
        with _errors_raised():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)()
    except (Ended, Exception, KeyboardInterrupt) as error:
        if asked:
            raise (error.__cause__ or error if isinstance(error, Ended) else error) from None
        ending = _ending(error)
        if ending is None:
            raise
        print(ending[0], file=sys.stderr)
        sys.exit(ending[1])


def _ending(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, Ended):
        return error.ending
    return told(explained(error, _names(sys.argv[1:])) if isinstance(error, HydraException) else error)


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
        LabError: a choice is written as a flag, or a group is given what cannot be an option.
    """
    given, unknown = get_args_parser().parse_known_args(arguments)
    for argument in unknown:
        if argument.startswith("-"):
            key = argument.lstrip("-").partition("=")[0]
            raise LabError(
                f"{argument} is no flag: choices are written without dashes, as {key}=...; flags are --help, "
                "--multirun, --cfg job and --config-dir, and --hydra-help lists the rest"
            )
    choices = [*given.overrides, *unknown]
    check_groups(choices)
    return [*(argument for argument in arguments if argument not in choices), *choices]


def _names(arguments: list[str]) -> Any:
    """Return the configuration in which a mistaken name was meant to be."""
    given, _ = get_args_parser().parse_known_args(arguments)
    if given.config_name == Path(TRIAL).stem:
        return OmegaConf.to_container(OmegaConf.load(Path(given.config_dir) / TRIAL), resolve=False)
    own = [f"hydra.searchpath=['file://{Path(given.config_dir).resolve()}']"] if given.config_dir else []
    return names_in([*own, *(override for override in given.overrides if is_group(override))])


def from_stored(arguments: list[str]) -> list[str]:
    """Turn ``resume=<folder>`` and ``rerun=<folder>`` into a composition from the folder's own trial.yaml.

    Hydra then composes the stored trial instead of the defaults, and takes values on top as ever.

    Raises:
        LabError: the folder holds no trial, or what comes with it would be another one.
    """
    given = [a for a in arguments if a.startswith(("resume=", "rerun=")) and not a.endswith("=null")]
    if not given:
        return arguments
    if len(given) > 1:
        raise LabError(f"{given[0]} and {given[1]} cannot be had together: leave one out")
    name, _, text = given[0].partition("=")
    folder = Path(text.strip("'\"")).expanduser()
    if not (folder / TRIAL).is_file():
        raise LabError(f"{name}={folder} must name a run folder that holds {TRIAL}, and it holds none")
    rest = [argument for argument in arguments if argument not in given]
    for argument in rest:
        if is_group(argument):
            raise LabError(
                f"{argument} cannot be chosen with {name}=, which takes the stored choices: change single values "
                "(algo.lr=...), or start a new run"
            )
        if argument.partition("=")[0] in CONFIG_FLAGS:
            raise LabError(f"{argument} cannot be had with {name}=, which takes the stored choices: leave it out")
    stored = ["--config-dir", str(folder.resolve()), "--config-name", Path(TRIAL).stem]
    target = folder.resolve() if name == "resume" else RERUN_FOLDER
    return [*stored, f"{name}={_quoted(folder)}", f"hydra.run.dir={_quoted(target)}", *_settings(), *rest]


def _settings() -> list[str]:
    """Return the lab's own settings of Hydra, which are no part of a trial, as overrides."""
    own: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "config.yaml"), resolve=False)
    settings = _leaves({key: own["hydra"][key] for key in ("job_logging", "sweep") if key in own["hydra"]}, "hydra")
    return [f"{key}={_quoted(value)}" for key, value in settings.items()]


def _quoted(value: object) -> str:
    escaped = str(value).replace("'", "\\'")
    return f"'{escaped}'"


def _task(config: DictConfig) -> float:
    """Run one trial; returns its validation capture, which sweepers maximise."""
    from rich.console import Console

    console = Console()
    folder = Path(HydraConfig.get().runtime.output_dir)
    resumed = config.get("resume") is not None
    try:
        if resumed:
            check_resumed(config, folder)
        experiment = build(config)
        store_trial(config, folder)
        console.print(f"run folder: {folder}", soft_wrap=True, highlight=False)
        metrics: dict[str, float] = experiment.run(folder, resume=resumed, console=console)
    except BaseException as error:
        if isinstance(error, LabError) and not resumed:
            _clear(folder)
        ending = told(error, folder)
        # In a sweep the sweeper wants to know, and goes on or not.
        if ending is None or HydraConfig.get().mode != RunMode.RUN:
            raise
        raise Ended(ending) from error
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    return metrics["validation/capture"]


def check_resumed(config: DictConfig, folder: Path) -> None:
    """Raise LabError where a run would go on as another trial than it began as."""
    both = (OmegaConf.load(folder / TRIAL), config)
    stored, wanted = (_leaves(OmegaConf.to_container(one, resolve=False)) for one in both)
    changed = sorted(key for key in stored.keys() | wanted.keys() if stored.get(key) != wanted.get(key))
    changed = [key for key in changed if not key.startswith(MAY_CHANGE)]
    if changed:
        keys = " and ".join(changed)
        raise LabError(
            f"{keys} cannot change with resume=, which goes on with the same trial (train.* and tracking.* may): "
            f"leave {keys} out, or start another trial with rerun={folder} {changed[0]}=..."
        )


def _leaves(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict) and node:
        below = (_leaves(child, f"{path}.{key}" if path else str(key)) for key, child in node.items())
        return {place: value for leaves in below for place, value in leaves.items()}
    return {path: node}


def store_trial(config: DictConfig, folder: Path) -> None:
    """Write the composed trial, which `resume=`, `rerun=` and `.evaluate` compose from again.

    References between groups stay references, so that a value that is changed later is changed everywhere.
    """
    stored = config.copy()
    stored.resume = stored.rerun = None
    # Whole or not at all: a run whose trial.yaml was cut off could not be resumed.
    part = folder / f"{TRIAL}.part"
    part.write_text(OmegaConf.to_yaml(stored))
    os.replace(part, folder / TRIAL)


def _clear(folder: Path) -> None:
    """Remove the folder of a run that did not begin."""
    made = {".hydra", ".lock", TRIAL, f"{HydraConfig.get().job.name}.log"}
    if {path.name for path in folder.iterdir()} <= made:
        shutil.rmtree(folder / ".hydra", ignore_errors=True)
        for name in made:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
