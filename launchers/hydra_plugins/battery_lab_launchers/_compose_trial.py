"""Trial composition: turns one of Hydra's lists of overrides into a trial of the sweep's journal."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import filter_overrides
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.battery_lab_launchers._trial_job import TrialJob
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write

from battery_lab.config.override_kinds import choices_of_trials
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import Entry, Journal
from battery_lab.sweep.lab_version import lab_source_digest
from battery_lab.sweep.sweep_control_options import SweepOptions
from battery_lab.sweep.trial_folder import move_aside
from battery_lab.sweep.trial_identity import run_digest, trial_identity


class HydraLauncher(Protocol):
    """A launcher after Hydra called its ``setup``."""

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction


@dataclass(frozen=True, kw_only=True)
class ComposedTrial:
    """The trial of one list of overrides.

    Attributes:
        config: composed configuration, including Hydra's own node.
        trial: the trial. Equal lists of overrides share one.
        is_outdated: whether results of an earlier launch come from another version of the lab and do not count.
    """

    config: DictConfig
    trial: Trial
    is_outdated: bool


def compose_trial(
    launcher: HydraLauncher,
    overrides: list[str],
    journal: Journal,
    trials: dict[int, Trial],
    options: SweepOptions,
) -> ComposedTrial:
    """Compose a trial, and find it in the journal or add it.

    Args:
        launcher: the launcher, after setup.
        overrides: overrides of the trial.
        journal: journal of the sweep.
        trials: trials of this launch by number. A new trial is added to it.
        options: options of the sweep.
    """
    config = launcher.hydra_context.config_loader.load_sweep_config(launcher.config, overrides)
    source = lab_source_digest(_program(launcher.task_function))
    identity = trial_identity({**_plain(config), **_launcher_choices(config)})
    choices = tuple(choices_of_trials(filter_overrides(overrides)))
    known = journal.find(identity)
    number = known.number if known else journal.next_number
    with open_dict(config), read_write(config.hydra):
        config.hydra.job.id = config.hydra.job.num = number
        # The trial's own overrides do not include hydra.sweep.dir, which the command may set.
        config.hydra.sweep.dir = str(journal.folder)
    folder = journal.folder / _resolve(config, "hydra.sweep.subdir")
    is_outdated = known is not None and known.source != source and not options.reuse
    if known is not None and is_outdated and not options.dry_run:
        # Before the journal records the new source: after a kill in between, old results must not count as new ones.
        move_aside(folder, known.source)
    entry = journal.add_trial(identity, source, choices) if known is None or is_outdated else known
    if number not in trials:
        job = partial(_trial_job, launcher, config, entry)
        trials[number] = Trial(entry=entry, folder=folder, budget=_budget(config), job=job)
    return ComposedTrial(config=config, trial=trials[number], is_outdated=is_outdated)


def _program(task: TaskFunction) -> Path | None:
    """Return the file that defines the task function. None: there is no such file."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(task))
    except TypeError:  # a callable that is not a function
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None


def _plain(config: DictConfig) -> dict[str, Any]:
    """Return a configuration without Hydra's own node, as plain values."""
    previous = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=False)
    finally:
        HydraConfig.instance().cfg = previous
    return {str(key): value for key, value in plain.items()}


def _launcher_choices(config: DictConfig) -> dict[str, Any]:
    """Return the launcher options that change a trial's result: the checkpoint to start from, and evaluate_only."""
    checkpoint, evaluate = (
        OmegaConf.select(config, f"hydra.launcher.{key}") for key in ("checkpoint", "evaluate_only")
    )
    if checkpoint is None:
        return {}
    path = str(checkpoint)
    digest = path if path.startswith("s3://") else run_digest(Path(path).expanduser().resolve())
    # Part of stored identities, so the keys must not change.
    return {"start": {"of": digest, "judged": bool(evaluate)}}  # codespell:ignore judged


def _resolve(config: DictConfig, key: str) -> str:
    previous = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return str(OmegaConf.select(config, key))
    finally:
        HydraConfig.instance().cfg = previous


def _budget(config: DictConfig) -> int | None:
    steps = OmegaConf.select(config, "train.env_steps")
    return int(steps) if isinstance(steps, int | float) else None


def _trial_job(launcher: HydraLauncher, config: DictConfig, entry: Entry, resume: Path | None) -> TrialJob:
    """Return the job of a trial that starts over, or resumes from the checkpoint in a folder."""
    if "resume" in config:
        config.resume = None if resume is None else str(resume)
    return TrialJob(
        config=config,
        task=launcher.task_function,
        identity=entry.identity,
        source=lab_source_digest(),
        counts_as=entry.source,
        context=launcher.hydra_context,
        singletons=Singleton.get_state(),
    )


def plain_overrides(overrides: ListConfig) -> list[str]:
    """Return overrides as typed, with interpolations unresolved."""
    plain: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(override) for override in plain]
