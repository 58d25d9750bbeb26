"""Sweep overhead: the time of a sweep's trials as separate commands, as a sequential sweep, and two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import markdown_tables
from benchmarks.clock_and_rates import spread

TRIALS, STEPS = 4, 1_000_000
COMMANDS, ONE, TWO = "commands, s", "sweep, one at a time, s", "sweep, two at a time, s"
COST, GAIN = "overhead of the launcher, s per trial", "speed-up of two at a time, x"


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Return the spread of seconds, of the overhead per trial, and of the speed-up of two trials at a time.

    The trials are the main job with a shorter budget, one core each and different seeds. All three ways run once per
    repetition, and log to the same trial store, which exists before.
    """
    measured: dict[str, list[float]] = {name: [] for name in (COMMANDS, ONE, TWO, COST, GAIN)}
    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(scratch)
        run_lab(outputs, f"seed={TRIALS}")  # Fills the caches.
        for repeat in range(repeats):
            seconds = {
                COMMANDS: sum(run_lab(outputs, f"seed={seed}") for seed in range(TRIALS)),
                ONE: run_lab(outputs, *_sweep_overrides(outputs / f"one{repeat}", 1)),
                TWO: run_lab(outputs, *_sweep_overrides(outputs / f"two{repeat}", 2), cores=2),
            }
            seconds |= {COST: (seconds[ONE] - seconds[COMMANDS]) / TRIALS, GAIN: seconds[ONE] / seconds[TWO]}
            for name, value in seconds.items():
                measured[name].append(value)
    return {name: spread(values) for name, values in measured.items()}


def table(measured: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        [name, f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"]
        for name, values in measured.items()
    ]
    return "\n" + markdown_tables.markdown((f"{TRIALS} trials", "median (minimum to maximum)"), rows)


def _sweep_overrides(folder: Path, parallel: int) -> Sequence[str]:
    seeds = ",".join(map(str, range(TRIALS)))
    launcher = (f"hydra.launcher.parallel={parallel}", "hydra.launcher.cores=1")
    return "--multirun", f"seed={seeds}", f"hydra.sweep.dir={folder}", *launcher


def run_lab(outputs: Path, *overrides: str, cores: int = 1) -> float:
    """Run the lab's command on a number of cores, and return its seconds.

    Raises:
        RuntimeError: it failed; the message contains the end of its output.
    """
    trial = ("reward=degradation", f"train.env_steps={STEPS}", f"outputs={outputs}")
    command = [sys.executable, "-m", "battery_lab", *trial, *overrides]
    start, all_cores = time.monotonic(), os.sched_getaffinity(0)
    try:
        # The child process inherits the affinity.
        os.sched_setaffinity(0, sorted(all_cores)[:cores])
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    finally:
        os.sched_setaffinity(0, all_cores)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{(process.stdout + process.stderr)[-3000:]}")
    return time.monotonic() - start
