"""Job returns: outcomes of trials as Hydra's JobReturn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.battery_lab_launchers._compose_trial import ComposedTrial, plain_overrides
from hydra_plugins.battery_lab_launchers._sweep_errors import failure_error
from omegaconf import OmegaConf

from battery_lab.sweep.interfaces import Trial


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
