"""From Hydra's lists of overrides to trials with a memory, and from their endings back to what Hydra wants."""

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
from hydra_plugins.battery_lab_launchers._compose_trial import Composed, HydraLauncher, compose_trial, written
from hydra_plugins.battery_lab_launchers._job_returns import answer, answered, told_stop
from hydra_plugins.battery_lab_launchers._tracking import has_ended, track
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import algo_name, build_part
from battery_lab.config.sweep_name import store_command
from battery_lab.sweep.dry_run import planned, rate_of, rendered_plan
from battery_lab.sweep.duration_estimate import rates
from battery_lab.sweep.interfaces import Pool, RemotePool, Trial, TrialSource
from battery_lab.sweep.journal import Journal, State
from battery_lab.sweep.options import SweepOptions
from battery_lab.sweep.progress_table import SweepDisplay
from battery_lab.sweep.scheduler import FixedTrials, Scheduler

MULTIRUN = "multirun.yaml"
DEFAULTS = SweepOptions(resume=None, tries=1, on_failure="continue", reuse=False, dry_run=False)


class Sweep:
    """A sweep as one launcher sees it: its folder, its journal and the trials that it is given."""

    def __init__(self, launcher: HydraLauncher) -> None:
        """Find the folder and read its journal; nothing is written yet.

        Args:
            launcher: set up by Hydra.
        """
        setup_globals()
        config = launcher.config
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        self.launcher, self.options = launcher, _options(config)
        self.folder = Path(str(config.hydra.sweep.dir)).resolve()
        self.console = Console()
        self.journal = Journal(self.folder, dry=self.options.dry_run)
        self.composed: list[Composed] = []
        self.trials: dict[int, Trial] = {}
        self.detached = False
        resumed = OmegaConf.select(config, "resume")
        if resumed is not None:
            raise ConfigError(
                f"resume={resumed} goes on with one run, and this is a sweep: leave out what makes it one, or go on "
                "with a sweep by sweep.resume=<folder>, or begin one with a run's trial by rerun=<folder>"
            )

    def compose(self, overrides: Sequence[str]) -> Composed:
        """Compose a trial, and find it in the journal or list it there."""
        one = compose_trial(self.launcher, list(overrides), self.journal, self.trials, self.options)
        self.composed.append(one)
        return one

    def run(self, source: TrialSource, pool: Pool) -> None:
        """Run the trials of a source that are not done.

        Raises:
            LabError: the sweep is run by somebody else right now, or an option is at fault.
            CommandExit: a signal stopped it.
        """
        with SweepDisplay(self.console, self.folder) as display:
            launch = Scheduler(self.journal, source, pool, self.options, display)
            launch.run()
        self.detached = launch.detached
        if self.detached:
            self._tell_left()
        else:
            ended = {one.trial.folder for one in self.composed if has_ended(one.trial.entry, one.trial.folder)}
            track(self.composed[0].config, self.journal, ended, launch.stopped_by is not None)
        if launch.stopped_by is not None:
            raise told_stop(launch.stopped_by, self.folder)

    def _tell_left(self) -> None:
        """Tell how to hear of what goes on elsewhere."""
        entries = [trial.entry for trial in self.trials.values()]
        waiting = sum(entry.state == State.WAITING for entry in entries)
        rest = f", which also begins {waiting} that wait for a place" if waiting else ""
        place = shlex.quote(str(self.folder))
        self.console.print(
            "jobs go on without this command: bring home what is done with battery-lab sweep collect "
            f"{place}, or follow them again with the same command{rest}",
            soft_wrap=True,
            highlight=False,
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from running the sweep meanwhile.

        Raises:
            ConfigError: somebody does already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / RunFolder.LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"{self.folder} is a sweep that goes on right now: look at it with battery-lab sweep status "
                f"{shlex.quote(str(self.folder))}, or choose another hydra.sweep.dir"
            ) from None
        try:
            store_command(self.folder, _arguments(self.launcher.config))
            self.journal.read()
            yield
        finally:
            lock.release()


def launch(launcher: HydraLauncher, job_overrides: Sequence[Sequence[str]], pool: Pool) -> list[JobReturn]:
    """Run the trials of a sweep that are not done; returns one answer for each list of overrides.

    Raises:
        LabError: the sweep is run by somebody else right now, or an option is at fault.
        CommandExit: a signal stopped it.
    """
    sweep = Sweep(launcher)
    if sweep.options.dry_run:
        return show(sweep, job_overrides, pool)
    with sweep.held():
        composed = [sweep.compose(overrides) for overrides in job_overrides]
        trials = list(sweep.trials.values())
        _check(trials, pool)
        sweep.run(FixedTrials(trials), pool)
    if sweep.detached and not any(trial.entry.state == State.FAILED for trial in trials):
        return [answered(one, one.trial.entry.result, JobReturn()) for one in composed]
    return [answer(one, trials) for one in composed]


def _check(trials: Sequence[Trial], pool: Pool) -> None:
    """Raise ConfigError where a trial that is not done cannot be sent, before any is."""
    if isinstance(pool, RemotePool):
        for trial in trials:
            if not trial.entry.state.settled:
                pool.validate(trial.job(None))


def show(sweep: Sweep, job_overrides: Sequence[Sequence[str]], pool: Pool) -> list[JobReturn]:
    """Print what would be done."""
    sweep.journal.read()
    composed = [sweep.compose(overrides) for overrides in job_overrides]
    folder = sweep.folder
    known = rates([folder, folder.parent.parent / "runs", *folder.parent.glob("*/")])
    plans = [planned(one.trial, one.anew, rate_of(known, algo_name(one.config))) for one in composed]
    sweep.console.print(rendered_plan(plans, pool.trial_resources, pool.max_parallel))
    _check(list(sweep.trials.values()), pool)
    if isinstance(pool, RemotePool):
        left = {plan.trial.number: plan.trial for plan in plans if plan.done_steps is not None}.values()
        for trial in left:
            print(pool.preview(trial.number, trial.folder, trial.job(None)))
        print(pool.cost_limit(len(left), sweep.options.tries), end="")
    # Hydra's sweepers have made it by now.
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {MULTIRUN}:
        shutil.rmtree(folder)
    return [answered(one, None, JobReturn()) for one in composed]


def _arguments(config: DictConfig) -> list[str]:
    """Return the arguments of the command that Hydra was started with, but for the flag that makes it a sweep."""
    given = [*written(config.hydra.overrides.hydra), *written(config.hydra.overrides.task)]
    own = [source.path for source in config.hydra.runtime.config_sources if source.provider == "command-line"]
    # What goes on from the trial of a run finds the folder of that by itself.
    flags = ["--config-dir", own[0]] if own and not any(argument.startswith("rerun=") for argument in given) else []
    return [*flags, *given]


def _options(config: DictConfig) -> SweepOptions:
    """Return the choice of conf/sweep; an application of another kind may have none."""
    node = OmegaConf.select(config, "sweep")
    if node is None:
        return DEFAULTS
    if "_target_" in node:
        return cast(SweepOptions, build_part(config, "sweep"))
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return replace(DEFAULTS, **plain)
