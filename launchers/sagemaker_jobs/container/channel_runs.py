"""Runs in channels: copies of the run that a job resumes or evaluates, in the job's run folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder
from sagemaker_jobs.container.channels import CHECKPOINT_CHANNEL

CONTINUED = (RunFolder.CHECKPOINTS, RunFolder.POLICY, RunFolder.CURVES)  # parts of the run to resume
EVALUATED = "evaluated"


def copy_continued_run(run: Path, folder: Path) -> None:
    """Copy what a run needs to resume another one, without that one's identity in a store of trials.

    Raises:
        DataError: the run has no checkpoint.
    """
    from battery_lab.sweep.trial_folder import checkpoint_steps

    if checkpoint_steps(run) is None:
        raise DataError(f"the run in the channel {CHECKPOINT_CHANNEL} has no checkpoint to resume from: choose another")
    for name in CONTINUED:
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name, dirs_exist_ok=True)
        elif (run / name).is_file():
            shutil.copy(run / name, folder / name)


def copy_evaluated_run(channel: Path, folder: Path) -> Path:
    """Copy a run to evaluate from its read-only channel, and its policy to where it is delivered from.

    Returns:
        The folder of the copy.
    """
    run = folder / EVALUATED
    shutil.copytree(channel, run, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RunFolder.CHECKPOINTS))
    shutil.copytree(RunFolder(run).policy, RunFolder(folder).policy, dirs_exist_ok=True)
    return run
