"""Trial jobs: what a process or node receives to run a trial, and what it sends back."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from typing import Any

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.lab_version import lab_source_digest

STOPPED_FROM_OUTSIDE = "its process was stopped from outside the sweep"


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """Everything that a process needs to run a trial.

    Attributes:
        config: composed configuration, including Hydra's own node.
        task: task function that Hydra runs.
        identity: digest of the trial, as in the sweep's journal.
        source: digest of the launcher's source.
        counts_as: digest of the source whose result this counts as. Differs from ``source`` with sweep.reuse=true.
        context: Hydra's context.
        singletons: state of Hydra's singletons.
    """

    config: DictConfig
    task: TaskFunction
    identity: str
    source: str
    counts_as: str
    context: HydraContext
    singletons: Any


def run_trial_job(job: TrialJob) -> bytes:
    """Run a trial and return its outcome, serialized for :func:`read_outcome`."""
    if lab_source_digest() != job.source:
        return _failure(
            f"{os.uname().nodename} has another version of the lab or its packages than the launcher had when it "
            "started: run the same command again once the versions are the same everywhere",
            raised=False,
        )
    setup_globals()
    Singleton.set_state(job.singletons)
    HydraConfig.instance().set_config(job.config)
    job_return = run_job(
        task_function=job.task,
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=job.context,
    )
    if job_return.status == JobStatus.FAILED:
        error = job_return._return_value
        if isinstance(error, LabError):
            # A user error: the trial's checkpoint stays usable.
            return _failure(str(error), raised=False)
        # The traceback goes to the trial's log. The error itself is not sent, as it might not be picklable.
        traceback.print_exception(error)
        return _failure(f"{type(error).__name__}: {error}", raised=True)
    try:
        content: bytes = cloudpickle.dumps({"done": cloudpickle.dumps(job_return)})
        return content
    except Exception as error:
        return _failure(f"its result {job_return.return_value!r} cannot be pickled: {error}", raised=True)


def _failure(reason: str, raised: bool) -> bytes:
    content: bytes = cloudpickle.dumps({"reason": " ".join(reason.split()), "raised": raised})
    return content


def read_outcome(number: int, data: bytes) -> Outcome:
    """Return the outcome that a trial's process, which this process started, sent back."""
    message: dict[str, Any] = cloudpickle.loads(data)
    if "done" not in message:
        return Outcome(number=number, state=TrialState.FAILED, **message)
    try:
        job_return: JobReturn = cloudpickle.loads(message["done"])
    except Exception as error:
        reason = f"its result cannot be unpickled by the launcher: {error}"
        return Outcome(number=number, state=TrialState.FAILED, reason=reason, raised=True)
    return Outcome(number=number, state=TrialState.DONE, result=job_return.return_value, payload=job_return)
