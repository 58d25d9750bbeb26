"""Kill points: the process kills itself at the point that the variable ``KILL`` names, such as ``journal:2:0.5``.

Python imports this module at its start if this folder is on PYTHONPATH, also in the processes that a launcher starts.

    journal:n:share     at the n-th line of a sweep's journal, after that share of it is written
    checkpoint:n:0      at the n-th file that a checkpoint flushes to disk
    rename:n:when       at the n-th rename of a finished checkpoint: 0 before, 1 after it
    metrics:1:when      at the rename of a trial's metrics.json: 0 before, 1 after it
"""

import os
import signal
from pathlib import Path

write, fsync, replace = os.write, os.fsync, os.replace
remaining = {}


def is_due(kind):
    """Count an operation of a kind; return whether the process must die at it."""
    remaining[kind] = remaining.get(kind, COUNT) - 1
    return kind == KIND and remaining[kind] == 0


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def path_of(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


def write_or_die(descriptor, data):
    if path_of(descriptor).endswith("/journal.jsonl") and is_due("journal"):
        write(descriptor, data[: int(SHARE * len(data))])
        die()
    return write(descriptor, data)


def fsync_or_die(descriptor):
    if "/checkpoints/part-" in path_of(descriptor) and is_due("checkpoint"):
        die()
    return fsync(descriptor)


def replace_or_die(source, target, **options):
    path = Path(target)
    kind = "rename" if path.parent.name == "checkpoints" else "metrics" if path.name == "metrics.json" else None
    if kind and is_due(kind):
        if SHARE:
            replace(source, target, **options)
        die()
    return replace(source, target, **options)


if os.environ.get("KILL"):
    KIND, count, share = os.environ["KILL"].split(":")
    COUNT, SHARE = int(count), float(share)
    os.write, os.fsync, os.replace = write_or_die, fsync_or_die, replace_or_die
