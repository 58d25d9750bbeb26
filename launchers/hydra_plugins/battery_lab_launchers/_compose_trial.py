"""From one of Hydra's lists of overrides to a trial that the sweep's journal knows."""

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

from battery_lab.config.sweep_name import choices_of_trials
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import Entry, Journal
from battery_lab.sweep.options import SweepOptions
from battery_lab.sweep.trial_folder import move_aside
from battery_lab.sweep.trial_id import identity, run_digest, source_digest


class HydraLauncher(Protocol):
    """A launcher that Hydra has set up."""

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction


@dataclass(frozen=True, kw_only=True)
class Composed:
    """What one list of overrides makes.

    Attributes:
        config: composed, with Hydra's own node in it.
        trial: who it is and what the journal knows of it; equal ones are one.
        anew: whether what an earlier launch left is of another source, and does not count.
    """

    config: DictConfig
    trial: Trial
    anew: bool


def compose_trial(
    launcher: HydraLauncher,
    overrides: list[str],
    journal: Journal,
    trials: dict[int, Trial],
    options: SweepOptions,
) -> Composed:
    """Compose a trial, and find it in the journal or list it there.

    Args:
        launcher: set up by Hydra.
        overrides: of the trial.
        journal: of the sweep.
        trials: those of this launch by number; changes.
        options: of the sweep.
    """
    config = launcher.hydra_context.config_loader.load_sweep_config(launcher.config, overrides)
    source = source_digest(_program(launcher.task_function))
    name = identity({**_plain(config), **_of_launcher(config)})
    choices = tuple(choices_of_trials(filter_overrides(overrides)))
    known = journal.find(name)
    number = known.number if known else journal.next_number
    with open_dict(config), read_write(config.hydra):
        config.hydra.job.id = config.hydra.job.num = number
        # Where the sweep lies was said by the command, of whose overrides a trial knows but its own.
        config.hydra.sweep.dir = str(journal.folder)
    place = journal.folder / _resolved(config, "hydra.sweep.subdir")
    anew = known is not None and known.source != source and not options.reuse
    if known is not None and anew and not options.dry_run:
        # Before the journal has the new source, as a kill amid the two must not make old results those of the new one.
        move_aside(place, known.source)
    entry = journal.add_trial(name, source, choices) if known is None or anew else known
    if number not in trials:
        job = partial(_sent, launcher, config, entry)
        trials[number] = Trial(entry=entry, folder=place, budget=_budget(config), job=job)
    return Composed(config=config, trial=trials[number], anew=anew)


def _program(task: TaskFunction) -> Path | None:
    """Return the file that what trials run is written in, if there is one."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(task))
    except TypeError:  # some other kind of what can be called
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None


def _plain(config: DictConfig) -> dict[str, Any]:
    """Return the trial's own part of a configuration as plain values."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=False)
    finally:
        HydraConfig.instance().cfg = before
    return {str(key): value for key, value in plain.items()}


def _of_launcher(config: DictConfig) -> dict[str, Any]:
    """Return what a launcher has trials do that their own choices do not say: from what to go on, and how far."""
    start, judges = (OmegaConf.select(config, f"hydra.launcher.{key}") for key in ("checkpoint", "evaluate_only"))
    if start is None:
        return {}
    of = str(start) if str(start).startswith("s3://") else run_digest(Path(str(start)).expanduser().resolve())
    return {"start": {"of": of, "judged": bool(judges)}}


def _resolved(config: DictConfig, key: str) -> str:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return str(OmegaConf.select(config, key))
    finally:
        HydraConfig.instance().cfg = before


def _budget(config: DictConfig) -> int | None:
    steps = OmegaConf.select(config, "train.env_steps")
    return int(steps) if isinstance(steps, int | float) else None


def _sent(launcher: HydraLauncher, config: DictConfig, entry: Entry, resume: Path | None) -> TrialJob:
    """Return a trial as it is sent to where it runs, to begin, or to go on from the checkpoint in a folder."""
    if "resume" in config:
        config.resume = None if resume is None else str(resume)
    return TrialJob(
        config=config,
        task=launcher.task_function,
        identity=entry.identity,
        source=source_digest(),
        counts_as=entry.source,
        context=launcher.hydra_context,
        singletons=Singleton.get_state(),
    )


def written(overrides: ListConfig) -> list[str]:
    """Return overrides as they were typed, whatever they refer to."""
    plain: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(override) for override in plain]
