"""Kills its own process at a point that ``KILL`` names, such as ``journal:2:0.5``; for tests of what a kill leaves.

Python imports it by itself where its folder is on PYTHONPATH, also in the processes that a launcher starts.

    journal:n:share     in the n-th line of a sweep's journal, so much of which is written
    checkpoint:n:0      at the n-th file that is brought to the disk for a checkpoint
    named:n:0           when the n-th checkpoint is about to get its name, or (share 1) has just got it
    figures:1:0         when the figures of a trial are about to be there, or (share 1) are
"""

import os
import signal
from pathlib import Path

write, fsync, replace = os.write, os.fsync, os.replace
left = {}


def due(kind):
    """Whether it is the one of its kind at which to die."""
    left[kind] = left.get(kind, WHEN) - 1
    return kind == KIND and left[kind] == 0


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def of(handle):
    return os.readlink(f"/proc/self/fd/{handle}")


def killing_write(handle, data):
    if of(handle).endswith("/journal.jsonl") and due("journal"):
        write(handle, data[: int(SHARE * len(data))])
        die()
    return write(handle, data)


def killing_fsync(handle):
    if "/checkpoints/part-" in of(handle) and due("checkpoint"):
        die()
    return fsync(handle)


def killing_replace(source, target, **options):
    path = Path(target)
    kind = "named" if path.parent.name == "checkpoints" else "figures" if path.name == "metrics.json" else None
    if kind and due(kind):
        if SHARE:
            replace(source, target, **options)
        die()
    return replace(source, target, **options)


if os.environ.get("KILL"):
    KIND, number, share = os.environ["KILL"].split(":")
    WHEN, SHARE = int(number), float(share)
    os.write, os.fsync, os.replace = killing_write, killing_fsync, killing_replace
