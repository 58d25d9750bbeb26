"""What a job reads: the trial, its data, the run that it goes on from, and the packages that its launcher has."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder

TRIAL_CHANNEL, DATA_CHANNEL, CHECKPOINT_CHANNEL = "trial", "training", "checkpoint"
CODE = "code.zip"  # modules outside the lab, in the trial's channel
PACKAGES = "packages"  # a file of the trial's channel
# What a run goes on from, in another job.
CONTINUED = (RunFolder.CHECKPOINTS, RunFolder.POLICY, RunFolder.CURVES)
JUDGED = "judged"


def begin_with(run: Path, folder: Path) -> None:
    """Copy what a run goes on from, and not who it is in a store of trials.

    Raises:
        DataError: it has no checkpoint.
    """
    from battery_lab.sweep.trial_folder import checkpoint_steps

    if checkpoint_steps(run) is None:
        raise DataError(f"the run of the channel {CHECKPOINT_CHANNEL} holds no checkpoint to go on from: name another")
    for name in CONTINUED:
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name, dirs_exist_ok=True)
        elif (run / name).is_file():
            shutil.copy(run / name, folder / name)


def writable(channel: Path, folder: Path) -> Path:
    """Return a copy of a run in a channel, which is not written into, with its policy at hand for delivery."""
    run = folder / JUDGED
    shutil.copytree(channel, run, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RunFolder.CHECKPOINTS))
    shutil.copytree(RunFolder(run).policy, RunFolder(folder).policy, dirs_exist_ok=True)
    return run


def data_channel(place: int) -> str:
    """Return the channel of the data that the key at a place in ``Environment.data_paths`` names."""
    return DATA_CHANNEL if place == 0 else f"{DATA_CHANNEL}_{place + 1}"


def data_path(path: str, channel: Path) -> str:
    """Return where the data of a trial are in a channel.

    Args:
        path: in the trial, as the launcher's machine knew it: a file, a folder, or a pattern in one.
        channel: folder of the files.
    """
    name = Path(path).name
    if (channel / name).is_file():
        return str(channel / name)
    if any(sign in name for sign in "*?["):
        return str(channel / name)
    return str(channel)


def check_packages(trial: Path) -> None:
    """Hold the image's packages to those of the launcher, as whose figures its own will count.

    Raises:
        DataError: some are of another version, or missing.
    """
    if not (trial / PACKAGES).is_file():
        return
    others = []
    for told in json.loads((trial / PACKAGES).read_text()):
        name, _, wanted = told.partition(" ")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "none"
        # What follows a plus is a build for some device, as torch has them.
        if found.partition("+")[0] != wanted.partition("+")[0]:
            others.append(f"{name} {found} instead of {wanted}")
    if others:
        raise DataError(
            f"the image has other packages than the launcher ({', '.join(others[:5])}): build and push it anew with "
            "launchers/container/build_and_push.sh"
        )
