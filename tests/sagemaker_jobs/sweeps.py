"""Sweeps of stub trials, sent as jobs to an emulator by the parts of the launcher."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra_plugins.battery_lab_launchers._sagemaker_sweep import pool
from omegaconf import DictConfig, OmegaConf
from sagemaker_jobs.pool import SageMakerPool
from sagemaker_jobs.submit import uploads

from battery_lab.sweep.interfaces import Outcome, Trial
from battery_lab.sweep.journal import Journal
from battery_lab.sweep.options import SweepOptions
from battery_lab.sweep.scheduler import FixedTrials, Scheduler
from tests.sagemaker_jobs.option_values import options

STUB = Path(__file__).parent / "stub"
DEFAULTS = SweepOptions(resume=None, tries=1, on_failure="continue", reuse=False, dry_run=False)
QUICK = {"steps": 3, "pace": 0.01, "first_pace": 0.01}
SLOW = {"steps": 60, "pace": 0.01, "first_pace": 0.5}


@dataclass(frozen=True)
class StubJob:
    """A trial as the launcher's core hands it over."""

    config: DictConfig
    identity: str
    counts_as: str = "source"


class NoDisplay:
    """Shows nothing, and remembers what it was told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.states: list[tuple[int, str]] = []

    def show(self, trials: Sequence[Trial]) -> None:
        """Show nothing."""

    def report(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Remember."""
        self.states.append((trial.number, str(trial.entry.state)))


@dataclass
class StubSweep:
    """A sweep of stub trials.

    Attributes:
        folder: of the sweep.
        trials: what each does.
        chosen: options of jobs beside what tests want: two at a time, polled often.
        tries: of each trial.
    """

    folder: Path
    trials: Sequence[dict[str, Any]]
    chosen: dict[str, Any] = field(default_factory=dict)
    tries: int = 1

    def pool(self, dry: bool = False) -> SageMakerPool:
        """Return the place for its jobs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = {"max_parallel": 2, "poll_interval_s": 0.7, "bucket": "lab"}
        return pool(options(**{**own, **self.chosen}), self.folder, dry, None)

    def launch(self) -> Scheduler:
        """Return a go at its trials."""
        journal = Journal(self.folder)
        journal.read()
        trials = [self._trial(journal, number, does) for number, does in enumerate(self.trials)]
        self.display = NoDisplay()
        sweep = SweepOptions(**{**vars(DEFAULTS), "tries": self.tries})
        self.made = self.pool()
        self.known = trials
        return Scheduler(journal, FixedTrials(trials), self.made, sweep, self.display)

    def run(self) -> dict[int, Outcome]:
        """Run its trials; returns how each ended."""
        self.launch().run()
        return {trial.number: trial.outcome for trial in self.known if trial.outcome is not None}

    def _trial(self, journal: Journal, number: int, does: dict[str, Any]) -> Trial:
        name = f"trial {number} of {does}"
        entry = journal.find(name) or journal.add_trial(name, "source", [f"number={number}"])
        own = {"resume": None, "rerun": None, **QUICK, **does}
        task = [f"number={number}"]
        hydra = {"runtime": {"choices": {}}, "overrides": {"task": task}}
        config = OmegaConf.create({**own, "hydra": hydra})
        folder = self.folder / str(number)
        return Trial(entry=entry, folder=folder, budget=own["steps"], job=lambda _: StubJob(config, name))


def stub_archive() -> bytes:
    """Return the archive of the stub, in place of the lab's."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(STUB / uploads.ENTRY, uploads.ENTRY)
    return content.getvalue()
