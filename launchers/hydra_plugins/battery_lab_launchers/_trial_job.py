"""A trial as it is sent to the process or machine that runs it, and what comes back."""

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
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_id import source_digest

STOPPED_BY_OTHERS = "somebody else than the sweep stopped its process"


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """What a process needs to run a trial.

    Attributes:
        config: composed, with Hydra's own node in it.
        task: what Hydra was given to run.
        identity: of the trial, as the sweep's journal knows it.
        source: digest of the lab's source that the launcher runs.
        counts_as: digest of the source whose result it counts as; another one with sweep.reuse=true.
        context: Hydra's.
        singletons: the state of Hydra's singletons.
    """

    config: DictConfig
    task: TaskFunction
    identity: str
    source: str
    counts_as: str
    context: HydraContext
    singletons: Any


def run(job: TrialJob) -> bytes:
    """Run a trial; returns what :func:`ending` reads."""
    if source_digest() != job.source:
        return _failed(
            f"{os.uname().nodename} has another lab, or other packages of it, than the launcher when it began: give "
            "the same command again once it is the same everywhere",
            raised=False,
        )
    setup_globals()
    Singleton.set_state(job.singletons)
    HydraConfig.instance().set_config(job.config)
    told = run_job(
        task_function=job.task,
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=job.context,
    )
    if told.status == JobStatus.FAILED:
        error = told._return_value
        if isinstance(error, LabError):
            # A mistake, which its message tells in full, says nothing against the trial's checkpoint.
            return _failed(str(error), raised=False)
        # The log of the trial is where its own traceback belongs, which does not travel, as no error does: it may hold
        # anything, and need not come to be again from what it holds.
        traceback.print_exception(error)
        return _failed(f"{type(error).__name__}: {error}", raised=True)
    try:
        content: bytes = cloudpickle.dumps({"done": cloudpickle.dumps(told)})
        return content
    except Exception as error:
        return _failed(f"{told.return_value!r} cannot be sent to the launcher: {error}", raised=True)


def _failed(text: str, raised: bool) -> bytes:
    content: bytes = cloudpickle.dumps({"reason": " ".join(text.split()), "raised": raised})
    return content


def ending(number: int, data: bytes) -> Outcome:
    """Read how a trial ended from what its process, which this one started, sent back."""
    sent: dict[str, Any] = cloudpickle.loads(data)
    if "done" not in sent:
        return Outcome(number=number, state=State.FAILED, **sent)
    try:
        told: JobReturn = cloudpickle.loads(sent["done"])
    except Exception as error:
        reason = f"what it returned cannot be read by the launcher: {error}"
        return Outcome(number=number, state=State.FAILED, reason=reason, raised=True)
    return Outcome(number=number, state=State.DONE, result=told.return_value, payload=told)
