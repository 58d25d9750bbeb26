"""Input channels of a job: the trial, its data, the run to resume or evaluate, and the launcher's packages."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder

TRIAL_CHANNEL, DATA_CHANNEL, CHECKPOINT_CHANNEL = "trial", "training", "checkpoint"
CODE = "code.zip"  # modules outside the lab, in the trial's channel
PACKAGES = "packages"  # file in the trial's channel
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


def data_channel(index: int) -> str:
    """Return the channel for the data of the key at an index of ``Environment.data_paths``."""
    return DATA_CHANNEL if index == 0 else f"{DATA_CHANNEL}_{index + 1}"


def data_path(path: str, channel: Path) -> str:
    """Return where the data of a trial are in a channel.

    Args:
        path: the path on the launcher's machine: a file, a folder, or a pattern of files.
        channel: folder of the files.
    """
    name = Path(path).name
    if (channel / name).is_file():
        return str(channel / name)
    if any(sign in name for sign in "*?["):
        return str(channel / name)
    return str(channel)


def check_packages(trial: Path) -> None:
    """Check that the image has the launcher's versions of the lab's dependencies, so that results agree.

    Args:
        trial: the trial's channel.

    Raises:
        DataError: a package is missing or has another version.
    """
    if not (trial / PACKAGES).is_file():
        return
    differences = []
    for package in json.loads((trial / PACKAGES).read_text()):
        name, _, expected = package.partition(" ")
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "none"
        # The part after a plus names a build for a device, such as torch's.
        if installed.partition("+")[0] != expected.partition("+")[0]:
            differences.append(f"{name} {installed} instead of {expected}")
    if differences:
        raise DataError(
            f"the image has other packages than the launcher ({', '.join(differences[:5])}): build and push it again "
            "with launchers/container/build_and_push.sh"
        )
