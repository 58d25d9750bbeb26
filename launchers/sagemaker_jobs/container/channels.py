"""Input channels of a job: their names, and the paths of a trial's data in them."""

from __future__ import annotations

from pathlib import Path

TRIAL_CHANNEL, DATA_CHANNEL, CHECKPOINT_CHANNEL = "trial", "training", "checkpoint"
CODE = "code.zip"  # modules outside the lab, in the trial's channel


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
