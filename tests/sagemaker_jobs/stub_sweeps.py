"""Sweeps of stub trials, which the launcher's parts send as jobs to an emulator."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra_plugins.battery_lab_launchers._sagemaker_launch import pool
from omegaconf import DictConfig, OmegaConf
from sagemaker_jobs.submit import uploads
from sagemaker_jobs.training_job_pool import SageMakerPool

from battery_lab.sweep.interfaces import Outcome, Trial
from battery_lab.sweep.journal import Journal
from battery_lab.sweep.scheduler import FixedTrials, Scheduler
from battery_lab.sweep.sweep_control_options import SweepOptions
from tests.sagemaker_jobs.option_values import options

STUB = Path(__file__).parent / "stub"
DEFAULTS = SweepOptions(resume=None, tries=1, on_failure="continue", reuse=False, dry_run=False)
QUICK = {"steps": 3, "pace": 0.01, "first_pace": 0.01}
SLOW = {"steps": 60, "pace": 0.01, "first_pace": 0.5}


@dataclass(frozen=True)
class StubJob:
    """A trial as the launchers' sweep starts it."""

    config: DictConfig
    identity: str
    counts_as: str = "source"


class NoDisplay:
    """Shows nothing, and records the states of trials."""

    def __init__(self) -> None:
        """Start without states."""
        self.states: list[tuple[int, str]] = []

    def show(self, trials: Sequence[Trial]) -> None:
        """Show nothing."""

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Record the state."""
        self.states.append((trial.number, str(trial.entry.state)))


@dataclass
class StubSweep:
    """A sweep of stub trials.

    Attributes:
        folder: of the sweep.
        trials: the values of each trial's configuration.
        chosen: options of jobs, besides those for tests: two at a time, polled often.
        tries: of each trial.
    """

    folder: Path
    trials: Sequence[dict[str, Any]]
    chosen: dict[str, Any] = field(default_factory=dict)
    tries: int = 1

    def pool(self, dry_run: bool = False) -> SageMakerPool:
        """Return the pool for its jobs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        defaults = {"max_parallel": 2, "poll_interval_s": 0.7, "bucket": "lab"}
        return pool(options(**{**defaults, **self.chosen}), self.folder, dry_run, None)

    def launch(self) -> Scheduler:
        """Prepare a launch of its trials."""
        journal = Journal(self.folder)
        journal.read()
        trials = [self._trial(journal, number, values) for number, values in enumerate(self.trials)]
        self.display = NoDisplay()
        sweep = SweepOptions(**{**vars(DEFAULTS), "tries": self.tries})
        self.job_pool = self.pool()
        self.trials_of_launch = trials
        return Scheduler(journal, FixedTrials(trials), self.job_pool, sweep, self.display)

    def run(self) -> dict[int, Outcome]:
        """Run its trials; returns their outcomes."""
        self.launch().run()
        return {trial.number: trial.outcome for trial in self.trials_of_launch if trial.outcome is not None}

    def metrics(self, number: int) -> dict[str, Any]:
        """Return the metrics of a trial."""
        return json.loads((self.folder / str(number) / "metrics.json").read_text())

    def job_name_prefix(self) -> str:
        """Return what the names of its jobs begin with."""
        return json.loads((self.folder / "remote.json").read_text())["lead"]

    def created_jobs(self, emulator: Any) -> list[str]:
        """Return the names of the jobs that it created, by the requests that the emulator received."""
        names = [request["parameters"]["TrainingJobName"] for request in emulator.requests("CreateTrainingJob")]
        return [name for name in names if name.startswith(self.job_name_prefix())]

    def _trial(self, journal: Journal, number: int, values: dict[str, Any]) -> Trial:
        name = f"trial {number} of {values}"
        entry = journal.find(name) or journal.add_trial(name, "source", [f"number={number}"])
        trial = {"resume": None, "rerun": None, **QUICK, **values}
        task = [f"number={number}"]
        hydra = {"runtime": {"choices": {}}, "overrides": {"task": task}}
        config = OmegaConf.create({**trial, "hydra": hydra})
        folder = self.folder / str(number)
        return Trial(entry=entry, folder=folder, budget=trial["steps"], job=lambda _: StubJob(config, name))


def stub_archive() -> bytes:
    """Return an archive of the stub, to replace the lab's."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(STUB / uploads.ENTRY, uploads.ENTRY)
    return content.getvalue()
