"""From what became of trials back to what Hydra, and the person behind it, want to know."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.battery_lab_launchers._compose_trial import Composed, written
from omegaconf import OmegaConf

from battery_lab.cli.command_exit import CommandExit
from battery_lab.cli.error_messages import ExitMessage
from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import State
from battery_lab.sweep.progress_table import varied

TOLD = 5  # failures that are told in full


def answer(one: Composed, trials: Sequence[Trial]) -> JobReturn:
    """Return what Hydra's sweepers want to know of a trial."""
    ending = one.trial.outcome
    if ending is not None and (ending.state.settled or ending.detached):
        return ending.payload if isinstance(ending.payload, JobReturn) else answered(one, ending.result, JobReturn())
    told = answered(one, None, _Failed())
    # Sweepers raise the first failure alone, so each tells of all.
    told.status, told.return_value = JobStatus.FAILED, failure(trials)
    return told


class _Failed(JobReturn):
    """An answer that raises what is wrong, and does not print all overrides of the trial before."""

    @property
    def return_value(self) -> Any:
        """Raise what is wrong.

        Raises:
            LabError: always.
        """
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def answered(one: Composed, result: Any, told: JobReturn) -> JobReturn:
    """Fill in the answer of a trial that did not come to an end in this launch."""
    told.overrides = written(one.config.hydra.overrides.task)
    told.hydra_cfg = OmegaConf.masked_copy(one.config, ["hydra"])
    told.cfg = OmegaConf.masked_copy(one.config, [str(key) for key in one.config if key != "hydra"])
    told.working_dir, told.task_name = os.getcwd(), str(one.config.hydra.job.name)
    told.status, told.return_value = JobStatus.COMPLETED, result
    return told


def failure(trials: Sequence[Trial]) -> LabError:
    """Return one message on all trials that are not done, with what to do."""
    failed = [trial for trial in trials if trial.entry.state == State.FAILED]
    choices = varied([trial.entry for trial in trials])
    told = [f"trial {t.number} ({choices[t.number]}): {t.entry.reason}" for t in failed[:TOLD]]
    more = [f"and {len(failed) - TOLD} more"] if len(failed) > TOLD else []
    left = sum(not trial.entry.state.settled for trial in trials) - len(failed)
    rest = f"; {left} others did not come to their end" if left else ""
    folder = failed[0].folder.parent if failed else trials[0].folder.parent
    return LabError(
        f"{len(failed)} of {len(trials)} trials failed{rest}: {'; '.join([*told, *more])}. What each printed is in "
        f"{folder}/<trial>/trial.log; the same command goes on with what is not done"
    )


def told_stop(number: int, folder: Path) -> CommandExit:
    """Return what a person is told who stopped a sweep, with what goes on with it."""
    again = f"battery-lab sweep.resume={shlex.quote(os.path.relpath(folder))}"
    message = f"stopped by {signal.Signals(number).name}; resume with: {again}"
    return CommandExit(ExitMessage(message, 128 + number), KeyboardInterrupt())
