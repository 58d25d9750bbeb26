"""What a sweep costs and gains: the same trials as commands, as a sweep one by one, and as a sweep two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import markdown_tables
from benchmarks.timing import spread

TRIALS, STEPS = 4, 1_000_000
COMMANDS, ONE, TWO = "commands, s", "sweep, one at a time, s", "sweep, two at a time, s"
COST, GAIN = "a launcher's own cost, s a trial", "two at a time is faster, x"


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Return seconds (median, least, most), what a sweep adds to a trial, and how much two at a time gain.

    The trials are the main job's with a shorter budget, one core each, and differ in their seeds. All three ways go in
    turn, on one store of trials that is there before.
    """
    found: dict[str, list[float]] = {name: [] for name in (COMMANDS, ONE, TWO, COST, GAIN)}
    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(scratch)
        _lab(outputs, f"seed={TRIALS}")  # what can be cached is from now on
        for repeat in range(repeats):
            took = {
                COMMANDS: sum(_lab(outputs, f"seed={seed}") for seed in range(TRIALS)),
                ONE: _lab(outputs, *_swept(outputs / f"one{repeat}", 1)),
                TWO: _lab(outputs, *_swept(outputs / f"two{repeat}", 2), cores=2),
            }
            took |= {COST: (took[ONE] - took[COMMANDS]) / TRIALS, GAIN: took[ONE] / took[TWO]}
            for name, value in took.items():
                found[name].append(value)
    return {name: spread(values) for name, values in found.items()}


def shown(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table of Markdown."""
    rows = [[name, f"{told['median']:.2f} ({told['min']:.2f} to {told['max']:.2f})"] for name, told in found.items()]
    return "\n" + markdown_tables.markdown((f"{TRIALS} trials", "median (least to most)"), rows)


def _swept(folder: Path, parallel: int) -> Sequence[str]:
    seeds = ",".join(map(str, range(TRIALS)))
    launcher = (f"hydra.launcher.parallel={parallel}", "hydra.launcher.cores=1")
    return "--multirun", f"seed={seeds}", f"hydra.sweep.dir={folder}", *launcher


def _lab(outputs: Path, *choices: str, cores: int = 1) -> float:
    """Give the lab's command, on so many cores; returns how long it took.

    Raises:
        RuntimeError: it failed, with the end of what it wrote.
    """
    trial = ("reward=degradation", f"train.env_steps={STEPS}", f"outputs={outputs}")
    command = [sys.executable, "-m", "battery_lab", *trial, *choices]
    begun, whole = time.monotonic(), os.sched_getaffinity(0)
    try:
        # What is started inherits them.
        os.sched_setaffinity(0, sorted(whole)[:cores])
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    finally:
        os.sched_setaffinity(0, whole)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - begun
