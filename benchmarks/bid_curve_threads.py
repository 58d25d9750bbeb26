"""Bid curve threads: seconds per pass of the bid-curve learner through the training period, by number of threads.

python -m benchmarks.bid_curve_threads '{"workers": 2, "outputs": "/tmp/somewhere"}'

prints the seconds of one learner as JSON on its last line. `make bench BENCH="--part passes"` compares numbers of
threads.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from threading import get_ident
from typing import Any

from benchmarks import markdown_tables
from benchmarks.clock_and_rates import spread
from benchmarks.command_times import run_python

PASS = "pass, s"
# Summed over threads: the compiled dynamic programme, and the network with its gradients; then what is not shared.
KERNEL, NETWORK, SERIAL = "kernel, s", "network, s", "serial, s"
BATCH = "slices per step"
PASSES = 3
MODELLED = (1, 2, 4, 8, 16, 32, 64)


def measure(repeats: int) -> dict[str, Any]:
    """Return the spread of seconds by number of threads, 1 to the number of cores; all run once per repetition."""
    cores = len(os.sched_getaffinity(0))
    workers = [count for count in MODELLED if count <= cores]
    measured: dict[int, dict[str, list[float]]] = {count: {} for count in workers}
    with tempfile.TemporaryDirectory() as outputs:
        for repeat in range(repeats + 1):
            for count in workers:
                task = json.dumps({"workers": count, "outputs": outputs})
                seconds = json.loads(run_python("-m", "benchmarks.bid_curve_threads", task).splitlines()[-1])
                if repeat:  # The first repetition fills the caches.
                    for name, value in seconds.items():
                        measured[count].setdefault(name, []).append(value)
    return {str(count): {name: spread(values) for name, values in phases.items()} for count, phases in measured.items()}


def table(measured: dict[str, Any]) -> str:
    """Return the measured seconds and the modelled ones as Markdown tables.

    Seconds are the fastest of all repetitions: other programs only make a pass slower. The fraction of the parts is too
    low, as threads also wait for Python's lock and for memory; that of two threads is too high if other programs run.
    """
    names = (PASS, KERNEL, NETWORK, SERIAL)
    rows = [
        [count, *(f"{phases[name]['min']:.3f}" if name in phases else "" for name in names)]
        for count, phases in measured.items()
    ]
    text = "\nfastest pass\n\n" + markdown_tables.markdown(("threads", *names), rows)
    first, second = measured["1"], measured.get("2")
    fractions = {"of the parts": first[SERIAL]["min"] / first[PASS]["min"]}
    if second:
        fractions["from 1 and 2 threads"] = serial_fraction(first[PASS]["min"], second[PASS]["min"], 2)
    text += "".join(f"\nserial fraction {name}: {fraction:.3f}" for name, fraction in fractions.items())
    batch, whole = round(first[BATCH]["median"]), first[PASS]["min"]
    cases = [(name, fraction, size) for name, fraction in fractions.items() for size in (batch, 4 * batch)]
    header = ("threads", *(f"fraction {name}, {size} slices per step" for name, _, size in cases))
    modelled = [
        [str(count), *(f"{modelled_seconds(whole, fraction, count, size):.3f}" for _, fraction, size in cases)]
        for count in MODELLED
    ]
    return f"{text}\n\na model, not measured: seconds per pass\n\n{markdown_tables.markdown(header, modelled)}"


def serial_fraction(one: float, several: float, threads: int) -> float:
    """Return the fraction that threads do not share, from the seconds with one and with several (Amdahl 1967)."""
    return min(max((threads * several / one - 1) / (threads - 1), 0.0), 1.0)


def modelled_seconds(one: float, fraction: float, threads: int, slices: int) -> float:
    """Return the seconds of a pass by Amdahl's law, where a thread takes whole slices of a step.

    Args:
        one: seconds with one thread.
        fraction: the serial fraction.
        threads: number of threads, each on its own core.
        slices: slices per gradient step.
    """
    return one * (fraction + (1 - fraction) * math.ceil(slices / threads) / slices)


def pass_seconds(workers: int, outputs: str) -> dict[str, float]:
    """Train the default trial with bid curves for some passes, and return the seconds of a pass and of its parts."""
    import torch

    from battery_lab.cli.build_experiment import build_experiment
    from battery_lab.config.compose import compose
    from battery_lab.envs.world_cache import WorldSource
    from battery_lab.experiment.experiment import choose_actions

    overrides = ["algo=bid_curves", f"algo.num_workers={workers}", "tracking=none", f"outputs={outputs}"]
    experiment = build_experiment(compose([*overrides, "reward=degradation"]))
    algo: Any = experiment.algo
    learner: Any = experiment.build_learner(
        WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))
    )
    torch.set_num_threads(1)
    parts = _Parts()
    # Each thread observes first, then calls the kernel per slice, and ends with the gradients of the network.
    problem = learner.problem
    problem.observations = parts.opening(problem.observations)
    problem.gradient = parts.timed(problem.gradient)
    torch.autograd.grad = parts.closing(torch.autograd.grad)
    rows = len(problem.rows)
    learner.train()
    while len(learner.waiting):
        learner.train()
    parts.reset()
    start, first = time.perf_counter(), learner.env_steps
    while learner.env_steps < first + PASSES * rows:
        learner.train()
    seconds = (time.perf_counter() - start) / PASSES
    kernel, shared = parts.kernel / PASSES, parts.shared / PASSES
    measured = {PASS: seconds, KERNEL: kernel, NETWORK: shared - kernel, BATCH: algo.batch_slices}
    # Of several threads, it is not known which part of the time they share.
    return measured | ({SERIAL: seconds - shared} if workers == 1 else {})


class _Parts:
    """Sums up the seconds of the parts of a pass over all threads."""

    def __init__(self) -> None:
        self.kernel = self.shared = 0.0
        self._start: dict[int, float] = {}

    def reset(self) -> None:
        self.kernel = self.shared = 0.0

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._start[get_ident()] = time.perf_counter()
            return function(*arguments)

        return call

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            self.kernel += time.perf_counter() - start
            return result

        return call

    def closing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            self.shared += time.perf_counter() - self._start[get_ident()]
            return result

        return call


if __name__ == "__main__":
    print(json.dumps(pass_seconds(**json.loads(sys.argv[1]))), flush=True)
    os._exit(0)
