"""`python -m battery_lab`: compose a trial, train it, judge it, report it.

python -m battery_lab reward=degradation algo=ppo
python -m battery_lab resume=outputs/runs/<run>
python -m battery_lab rerun=outputs/runs/<run> seed=1
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from battery_lab.compose import build, is_group, register_resolvers
from battery_lab.errors import LabError
from battery_lab.locate import conf_dir

TRIAL = "trial.yaml"
RERUN_FOLDER = "${outputs}/runs/${now:%Y-%m-%d_%H-%M-%S}_rerun_${short_id:}"


def main() -> None:
    """Run the command."""
    register_resolvers()
    try:
        sys.argv[1:] = from_stored(sys.argv[1:])
    except LabError as error:
        sys.exit(f"error: {error}")
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)()


def from_stored(arguments: list[str]) -> list[str]:
    """Turn ``resume=<folder>`` and ``rerun=<folder>`` into a composition from the folder's own trial.yaml.

    Hydra then composes the stored trial instead of the defaults, and takes values on top as ever.

    Raises:
        LabError: the folder holds no trial.
    """
    for name in ("resume", "rerun"):
        given = [argument for argument in arguments if argument.startswith(f"{name}=")]
        if not given or given[-1] == f"{name}=null":
            continue
        folder = Path(given[-1].partition("=")[2].strip("'\"")).expanduser()
        if not (folder / TRIAL).is_file():
            raise LabError(f"{name}={folder} must name a run folder that holds {TRIAL}, and it holds none")
        rest = [argument for argument in arguments if argument not in given]
        groups = [argument for argument in rest if is_group(argument)]
        if groups:
            raise LabError(
                f"{groups[0]} cannot be chosen with {name}=, which takes the stored choices: change single values "
                "(algo.lr=...), or start a new run"
            )
        stored = ["--config-dir", str(folder.resolve()), "--config-name", "trial"]
        target = folder.resolve() if name == "resume" else RERUN_FOLDER
        return [*stored, f"{name}='{folder}'", f"hydra.run.dir='{target}'", *rest]
    return arguments


def _task(config: DictConfig) -> float:
    """Run one trial; returns its validation capture, which sweepers maximise."""
    from rich.console import Console

    console = Console()
    folder = Path(HydraConfig.get().runtime.output_dir)
    resumed = config.get("resume") is not None
    try:
        experiment = build(config)
        if not resumed:
            store_trial(config, folder)
        metrics: dict[str, float] = experiment.run(folder, resume=resumed, console=console)
    except BaseException as error:
        _explain(error, folder, console)
        raise
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    return metrics["validation/capture"]


def store_trial(config: DictConfig, folder: Path) -> None:
    """Write the composed trial, which `resume=`, `rerun=` and `.evaluate` compose from again.

    References between groups stay references, so that a value that is changed later is changed everywhere.
    """
    stored = config.copy()
    stored.resume = stored.rerun = None
    (folder / TRIAL).write_text(OmegaConf.to_yaml(stored))


def _explain(error: BaseException, folder: Path, console: Any) -> None:
    """End the process with one message where the error is a person's to mend; return where it is ours."""
    from battery_lab.training import Interrupted

    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        return
    if isinstance(error, Interrupted):
        console.print(f"{error}; checkpoint {error.path}\ngo on with: python -m battery_lab resume={folder}")
        sys.exit(128 + error.number)
    if isinstance(error, LabError):
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = f"no space left for {error.filename or folder}: free some, then go on with resume={folder}"
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
