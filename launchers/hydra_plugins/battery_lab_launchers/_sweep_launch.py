"""Sweep launch: composes the trials of a sweep, runs them with a pool, and tracks the sweep as a whole."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra_plugins.battery_lab_launchers._compose_trial import (
    ComposedTrial,
    HydraLauncher,
    compose_trial,
    plain_overrides,
)
from hydra_plugins.battery_lab_launchers._job_returns import completed_return, job_return
from hydra_plugins.battery_lab_launchers._sweep_end_tracking import is_finished, record_sweep_end
from hydra_plugins.battery_lab_launchers._sweep_errors import stop_error
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import PARTS, algo_name, build_part
from battery_lab.config.stored_sweep_command import store_command
from battery_lab.sweep.dry_run import plan_table, plan_trial, speed_of
from battery_lab.sweep.earlier_run_speeds import steps_per_second
from battery_lab.sweep.interfaces import Pool, RemotePool, Trial, TrialSource
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.progress_display import SweepDisplay
from battery_lab.sweep.scheduler import FixedTrials, Scheduler
from battery_lab.sweep.sweep_control_options import SweepOptions

MULTIRUN = "multirun.yaml"
# For Hydra applications other than the lab, which have no conf/sweep.
DEFAULTS = SweepOptions(resume=None, tries=1, on_failure="continue", reuse=False, dry_run=False)


class Sweep:
    """A sweep of one launcher: its folder, its journal and its trials.

    Attributes:
        trials: trials of this launch by number.
        detached: whether trials keep running although this process no longer waits for them.
    """

    def __init__(self, launcher: HydraLauncher) -> None:
        """Find the folder of the sweep. Nothing is written yet."""
        setup_globals()
        config = launcher.config
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        self.launcher, self.options = launcher, _options(config)
        self.folder = Path(str(config.hydra.sweep.dir)).resolve()
        self.console = Console()
        self.journal = Journal(self.folder, dry=self.options.dry_run)
        self.composed: list[ComposedTrial] = []
        self.trials: dict[int, Trial] = {}
        self.detached = False
        resume = OmegaConf.select(config, "resume")
        if resume is not None:
            raise ConfigError(
                f"resume={resume} resumes a single run, but this is a sweep. To resume a sweep, use "
                "sweep.resume=<folder>; to sweep from a run's trial, use rerun=<folder>"
            )

    def compose(self, overrides: Sequence[str]) -> ComposedTrial:
        """Compose a trial, and find it in the journal or add it."""
        composed = compose_trial(self.launcher, list(overrides), self.journal, self.trials, self.options)
        self.composed.append(composed)
        return composed

    def run(self, source: TrialSource, pool: Pool) -> None:
        """Run the trials of a source that are not done.

        Raises:
            LabError: an option is invalid, or the pool is not available.
            CommandExit: a signal stopped the sweep.
        """
        with SweepDisplay(self.console, self.folder) as display:
            scheduler = Scheduler(self.journal, source, pool, self.options, display)
            scheduler.run()
        self.detached = scheduler.detached
        if self.detached:
            self._print_detached()
        else:
            trials = [composed.trial for composed in self.composed]
            finished = {trial.folder for trial in trials if is_finished(trial.entry, trial.folder)}
            record_sweep_end(self.composed[0].config, self.journal, finished, scheduler.stopped_by is not None)
        if scheduler.stopped_by is not None:
            raise stop_error(scheduler.stopped_by, self.folder)

    def _print_detached(self) -> None:
        """Print how to get the results of jobs that keep running."""
        entries = [trial.entry for trial in self.trials.values()]
        waiting = sum(entry.state == TrialState.WAITING for entry in entries)
        rest = f", which also starts {waiting} waiting trials" if waiting else ""
        self.console.print(
            "jobs continue without this command. Download finished results with: battery-lab sweep collect "
            f"{shlex.quote(str(self.folder))}. Follow the jobs again with the same command{rest}",
            soft_wrap=True,
            highlight=False,
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the sweep's folder, store the command and read the journal.

        Raises:
            ConfigError: another process is running the sweep.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / RunFolder.LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"the sweep in {self.folder} is running already: see battery-lab sweep status "
                f"{shlex.quote(str(self.folder))}, or choose another hydra.sweep.dir"
            ) from None
        try:
            store_command(self.folder, _arguments(self.launcher.config))
            self.journal.read()
            yield
        finally:
            lock.release()


def launch(launcher: HydraLauncher, job_overrides: Sequence[Sequence[str]], pool: Pool) -> list[JobReturn]:
    """Run the trials of a sweep that are not done, and return one JobReturn per list of overrides.

    Raises:
        LabError: another process is running the sweep, or an option is invalid.
        CommandExit: a signal stopped the sweep.
    """
    sweep = Sweep(launcher)
    if sweep.options.dry_run:
        return dry_run(sweep, job_overrides, pool)
    with sweep.locked():
        composed = [sweep.compose(overrides) for overrides in job_overrides]
        trials = list(sweep.trials.values())
        _validate(trials, pool)
        sweep.run(FixedTrials(trials), pool)
    if sweep.detached and not any(trial.entry.state == TrialState.FAILED for trial in trials):
        return [completed_return(item, item.trial.entry.result) for item in composed]
    return [job_return(item, trials) for item in composed]


def _validate(trials: Sequence[Trial], pool: Pool) -> None:
    """Raise ConfigError if a trial cannot be submitted, before any is."""
    if isinstance(pool, RemotePool):
        for trial in trials:
            if not trial.entry.state.settled:
                pool.validate(trial.job(None))


def dry_run(sweep: Sweep, job_overrides: Sequence[Sequence[str]], pool: Pool) -> list[JobReturn]:
    """Print what a launch would do, and return one JobReturn per list of overrides.

    Raises:
        ConfigError: a value of a trial is wrong. Data files are not read.
    """
    sweep.journal.read()
    composed = [sweep.compose(overrides) for overrides in job_overrides]
    for item in composed:
        for part in (name for name in PARTS if name in item.config):  # other applications have none
            build_part(item.config, part)
    folder = sweep.folder
    speeds = steps_per_second([folder, folder.parent.parent / "runs", *folder.parent.glob("*/")])
    plans = [plan_trial(item.trial, item.is_outdated, speed_of(speeds, algo_name(item.config))) for item in composed]
    sweep.console.print(plan_table(plans, pool.trial_resources, pool.max_parallel))
    _validate(list(sweep.trials.values()), pool)
    if isinstance(pool, RemotePool):
        runs = {plan.trial.number: plan.trial for plan in plans if plan.start_steps is not None}.values()
        for trial in runs:
            print(pool.preview(trial.number, trial.folder, trial.job(None)))
        print(pool.cost_limit(len(runs), sweep.options.tries), end="")
    # Hydra's sweepers have created the folder by now.
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {MULTIRUN}:
        shutil.rmtree(folder)
    return [completed_return(item, None) for item in composed]


def _arguments(config: DictConfig) -> list[str]:
    """Return the arguments of the command, without the flag that makes it a sweep."""
    arguments = [*plain_overrides(config.hydra.overrides.hydra), *plain_overrides(config.hydra.overrides.task)]
    folders = [source.path for source in config.hydra.runtime.config_sources if source.provider == "command-line"]
    # rerun= finds the folder of its run's configuration itself.
    is_rerun = any(argument.startswith("rerun=") for argument in arguments)
    flags = ["--config-dir", folders[0]] if folders and not is_rerun else []
    return [*flags, *arguments]


def _options(config: DictConfig) -> SweepOptions:
    node = OmegaConf.select(config, "sweep")
    if node is None:
        return DEFAULTS
    if "_target_" in node:
        return cast(SweepOptions, build_part(config, "sweep"))
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return replace(DEFAULTS, **plain)
