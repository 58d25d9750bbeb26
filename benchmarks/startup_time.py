"""What a person waits for beside training: help, a start, and a year of test time.

python -m benchmarks.startup_time '{"algo": "ppo", "outputs": "/tmp/somewhere", "begun": 1790000000.0}'

prints, as JSON on the last line, what one start took; `make bench BENCH="--part waits"` runs it for all algorithms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import markdown_tables
from benchmarks.timing import spread

HELP, YEAR = "help, s", "year of test time, s"
START, COMPOSED = "start, s", "of it from compose on, s"


def measure(algos: Sequence[str], repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return seconds (median, least, most) by algorithm and what is waited for; all repeat in turn.

    A start is from the call of Python to the end of the iteration with the first training step: it composes the default
    trial with reward=regret, reads the market, makes features and the reward's table, starts Ray, and for DQN and SAC
    fills the memory as far as they want. A year of test time is one policy's way through it.
    """
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as outputs:
        for repeat in range(repeats + 1):
            waits = {"": {HELP: _help()}} | {algo: _started(algo, outputs) for algo in algos}
            if not repeat:
                continue  # what can be cached is from now on
            for algo, seconds in waits.items():
                for name, value in seconds.items():
                    found.setdefault(algo, {}).setdefault(name, []).append(value)
    return {algo: {name: spread(values) for name, values in waits.items()} for algo, waits in found.items()}


def shown(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the figures as a table of Markdown."""
    rows = [
        [algo, name, f"{told['median']:.2f} ({told['min']:.2f} to {told['max']:.2f})"]
        for algo, waits in found.items()
        for name, told in waits.items()
    ]
    return "\n" + markdown_tables.markdown(("", "", "median (least to most)"), rows)


def _help() -> float:
    begun = time.time()
    _call("-m", "battery_lab", "--help")
    return time.time() - begun


def _started(algo: str, outputs: str) -> dict[str, float]:
    task = {"algo": algo, "outputs": outputs, "begun": time.time()}
    return dict(json.loads(_call("-m", "benchmarks.startup_time", json.dumps(task)).splitlines()[-1]))


def _call(*arguments: str) -> str:
    """Run Python and return what it printed.

    Raises:
        RuntimeError: it failed, with the end of what it wrote.
    """
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def start(algo: str, outputs: str, begun: float) -> dict[str, float]:
    """Start a default trial, take its first training step and judge what it has by then; returns seconds."""
    # Imports are a part of what is waited for.
    from battery_lab.cli.build_experiment import build_experiment
    from battery_lab.config.compose import compose
    from battery_lab.envs.loader import WorldSource
    from battery_lab.experiment.experiment import choose_actions

    composing = time.time()
    experiment = build_experiment(compose([f"algo={algo}", "reward=regret", "tracking=none", f"outputs={outputs}"]))
    source = WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))
    algorithm: Any = experiment.build_algorithm(source)
    learner = algorithm.learner_group._learner
    while not learner._gradient_steps:
        algorithm.train()
    trained = time.time()
    world, policy = source.open(), experiment.copy_policy(algorithm, source, env_steps=0)
    judged = time.perf_counter()
    world.evaluate(policy, "test")
    return {START: trained - begun, COMPOSED: trained - composing, YEAR: time.perf_counter() - judged}


if __name__ == "__main__":
    found = start(**json.loads(sys.argv[1]))
    print(json.dumps(found), flush=True)
    # Ray's and torch's own farewells cost seconds and tell nothing.
    os._exit(0)
