"""One trial of `battery-lab train`: what Hydra calls, in this process or where a launcher runs the trial."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.error_messages import exit_message
from battery_lab.cli.exit_on_error import CommandExit
from battery_lab.common.errors import ConfigError, LabError
from battery_lab.common.garbage_collection import postponed_collection
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import register_resolvers
from battery_lab.config.stored_trial import (
    check_resumed,
    note_choices,
    store_trial,
    update_parts,
)
from battery_lab.experiment.refuse_finished_run import refuse_finished_run


def run_trial(config: DictConfig) -> float:
    """Run a trial; returns its validation capture, which sweepers maximise."""
    from rich.console import Console

    register_resolvers()
    console = Console()
    folder = Path(HydraConfig.get().runtime.output_dir)
    resumed = config.get("resume") is not None
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        if resumed or config.get("rerun") is not None:
            update_parts(config)
        if not in_sweep and OmegaConf.select(config, "sweep.dry_run"):
            raise ConfigError(
                "sweep.dry_run=true shows the trials of a sweep, but this is a single run: add --multirun"
            )
        note_choices(config, HydraConfig.get().runtime.choices)
        if resumed:
            # A sweep has checked already that the trial is the same; its data may have moved.
            if not in_sweep:
                check_resumed(config, folder)
            refuse_finished_run(folder, config.train.env_steps, config.train.stop_on_plateau)
        with postponed_collection():
            experiment = build_experiment(config)
        store_trial(config, folder)
        metrics: dict[str, float] = experiment.run(folder, resume=resumed, console=console)
    except BaseException as error:
        if isinstance(error, LabError | KeyboardInterrupt | OSError) and not resumed:
            _remove_unused(folder)
        message = exit_message(error, folder)
        if message is None:
            raise
        if in_sweep and message.status == 1:
            raise _failed_trial(message.text) from error
        raise CommandExit(message, error) from error
    console.print(f"report: {RunFolder(folder).report}", soft_wrap=True, highlight=False)
    return metrics["validation/capture"]


def _failed_trial(message: str) -> LabError:
    """Print the error of a trial, for its own log, and return it for the launcher."""
    print(message, file=sys.stderr, flush=True)
    return LabError(message.removeprefix("error: "))


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a run that failed before it wrote results."""
    made = {".hydra", RunFolder.LOCK, RunFolder.TRIAL, f"{HydraConfig.get().job.name}.log"}
    if {path.name for path in folder.iterdir()} <= made:
        shutil.rmtree(folder / ".hydra", ignore_errors=True)
        for name in made:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
