"""Job returns: outcomes of trials as Hydra's JobReturn, and the errors of failed and stopped sweeps."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.battery_lab_launchers._compose_trial import ComposedTrial, plain_overrides
from omegaconf import OmegaConf

from battery_lab.cli.error_messages import ExitMessage
from battery_lab.cli.exit_on_error import CommandExit
from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Trial
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.progress_display import differing_choices

MAX_REASONS = 5  # failures whose reason the error message includes


def job_return(composed: ComposedTrial, trials: Sequence[Trial]) -> JobReturn:
    """Return a trial's outcome as Hydra's sweepers expect it."""
    outcome = composed.trial.outcome
    if outcome is not None and (outcome.state.settled or outcome.detached):
        if isinstance(outcome.payload, JobReturn):
            return outcome.payload
        return completed_return(composed, outcome.result)
    failed = _fill(_FailedReturn(), composed)
    # Sweepers raise the first failure only, so each failure reports all of them.
    failed.status, failed.return_value = JobStatus.FAILED, failure_error(trials)
    return failed


def completed_return(composed: ComposedTrial, result: Any) -> JobReturn:
    """Return the JobReturn of a trial that did not run in this launch."""
    completed = _fill(JobReturn(), composed)
    completed.status, completed.return_value = JobStatus.COMPLETED, result
    return completed


class _FailedReturn(JobReturn):
    """A JobReturn that raises its error. Hydra's own would also print the trial's overrides."""

    @property
    def return_value(self) -> Any:
        """Raise the error.

        Raises:
            LabError: always.
        """
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def _fill(target: JobReturn, composed: ComposedTrial) -> JobReturn:
    config = composed.config
    target.overrides = plain_overrides(config.hydra.overrides.task)
    target.hydra_cfg = OmegaConf.masked_copy(config, ["hydra"])
    target.cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    target.working_dir, target.task_name = os.getcwd(), str(config.hydra.job.name)
    return target


def failure_error(trials: Sequence[Trial]) -> LabError:
    """Return one error for all trials that failed or did not finish, with what to do."""
    failed = [trial for trial in trials if trial.entry.state == TrialState.FAILED]
    choices = differing_choices([trial.entry for trial in trials])
    reasons = [f"trial {t.number} ({choices[t.number]}): {t.entry.reason}" for t in failed[:MAX_REASONS]]
    more = [f"and {len(failed) - MAX_REASONS} more"] if len(failed) > MAX_REASONS else []
    unfinished = sum(not trial.entry.state.settled for trial in trials) - len(failed)
    rest = f"; {unfinished} others did not finish" if unfinished else ""
    folder = failed[0].folder.parent if failed else trials[0].folder.parent
    return LabError(
        f"{len(failed)} of {len(trials)} trials failed{rest}: {'; '.join([*reasons, *more])}. Their output is in "
        f"{folder}/<trial>/trial.log. The same command resumes the trials that are not done"
    )


def stop_error(number: int, folder: Path) -> CommandExit:
    """Return the error of a sweep that a signal stopped, with the command that resumes it."""
    command = f"battery-lab sweep.resume={shlex.quote(os.path.relpath(folder))}"
    message = f"stopped by {signal.Signals(number).name}; resume with: {command}"
    return CommandExit(ExitMessage(message, 128 + number), KeyboardInterrupt())
