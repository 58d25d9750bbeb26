"""Command times: seconds of `--help`, of a trial's start, of a whole short trial, and of evaluating a test period.

python -m benchmarks.command_times '{"algo": "ppo", "outputs": "/tmp/somewhere", "started_at": 1790000000.0}'

prints the seconds of one start as JSON on its last line. `make bench BENCH="--part startup"` runs all algorithms.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import markdown_tables
from benchmarks.clock_and_rates import spread

WITHOUT_RLLIB = "bid_curves"
HELP, YEAR = "help, s", "test period of one year, s"
START, WITHOUT_IMPORTS = "start, s", "start without imports, s"
# A whole trial is mostly start, evaluation and report.
WHOLE_TRIALS, TRIAL_STEPS = ("ppo", WITHOUT_RLLIB), 20_000
TRIAL, TRIAL_CPU = f"whole trial of {TRIAL_STEPS:,} steps, s", "its processor time, s"


def measure(algos: Sequence[str], repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the spread of seconds by algorithm and phase; all phases run once per repetition.

    A start lasts from the call of Python to the end of the iteration with the first gradient step. It composes the
    default trial with reward=regret, loads the market, computes features and the reward's table, and fills
    the replay buffer of DQN and SAC until learning begins. The test period of one year is one evaluation of one policy.
    A whole trial is the command of the default trial with a budget of ``TRIAL_STEPS``, until its process has ended.
    """
    measured: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as outputs:
        for repeat in range(repeats + 1):
            phases = {"": {HELP: time_help()}} | {algo: time_start(algo, outputs) for algo in algos}
            for algo in set(algos) & set(WHOLE_TRIALS):
                phases[algo] = phases[algo] | time_trial(algo, outputs)
            if not repeat:
                continue  # The first repetition fills the caches.
            for algo, seconds in phases.items():
                for name, value in seconds.items():
                    measured.setdefault(algo, {}).setdefault(name, []).append(value)
    return {algo: {name: spread(values) for name, values in phases.items()} for algo, phases in measured.items()}


def table(measured: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the figures as a Markdown table."""
    names = dict.fromkeys(name for phases in measured.values() for name in phases)
    rows = [[name, *(_cell(phases.get(name)) for phases in measured.values())] for name in names]
    return "\nmedian (minimum to maximum)\n\n" + markdown_tables.markdown(("", *measured), rows)


def _cell(seconds: dict[str, float] | None) -> str:
    return f"{seconds['median']:.2f} ({seconds['min']:.2f} to {seconds['max']:.2f})" if seconds else ""


def time_help() -> float:
    """Return the seconds of `battery-lab --help`."""
    started_at = time.time()
    run_python("-m", "battery_lab", "--help")
    return time.time() - started_at


def time_trial(algo: str, outputs: str) -> dict[str, float]:
    """Run a short trial as a command, and return its seconds and those of its processors."""
    started_at, processors = time.time(), _processor_seconds()
    run_python(
        "-m", "battery_lab", f"algo={algo}", f"train.env_steps={TRIAL_STEPS}", "tracking=none", f"outputs={outputs}"
    )
    return {TRIAL: time.time() - started_at, TRIAL_CPU: _processor_seconds() - processors}


def _processor_seconds() -> float:
    """Return the processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_start(algo: str, outputs: str) -> dict[str, float]:
    """Run `start` in another process, and return its seconds."""
    task = {"algo": algo, "outputs": outputs, "started_at": time.time()}
    return dict(json.loads(run_python("-m", "benchmarks.command_times", json.dumps(task)).splitlines()[-1]))


def run_python(*arguments: str, timeout_s: float = 600) -> str:
    """Run Python and return its output.

    Raises:
        RuntimeError: it failed; the message contains the end of its output.
    """
    process = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=timeout_s
    )
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{process.stderr[-3000:]}")
    return process.stdout


def start(algo: str, outputs: str, started_at: float) -> dict[str, float]:
    """Start a default trial, train until its first gradient step, and evaluate the policy; returns seconds."""
    # As the command does. Imports are part of the start.
    from battery_lab.common.garbage_collection import postponed_collection
    from battery_lab.common.hide_optional_imports import import_lean

    import_lean()
    with postponed_collection():
        from battery_lab.cli.build_experiment import build_experiment
        from battery_lab.config.compose import compose
        from battery_lab.envs.world_cache import WorldSource
        from battery_lab.experiment.experiment import choose_actions

    imported_at = time.time()
    choices = [f"algo={algo}", "reward=regret", "tracking=none", f"outputs={outputs}"]
    with postponed_collection():
        experiment = build_experiment(compose(choices))
    source = WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))
    with postponed_collection():
        learner: Any = experiment.build_learner(source)
    # A learner without RLlib takes a gradient step in every iteration.
    trained = learner.algorithm.learner_group._learner if hasattr(learner, "algorithm") else None
    learner.train()
    while trained and not trained.gradient_steps:
        learner.train()
    trained_at = time.time()
    world, policy = source.open(), learner.policy(env_steps=0)
    evaluation_start = time.perf_counter()
    world.evaluate(policy, "test")
    return {
        START: trained_at - started_at,
        WITHOUT_IMPORTS: trained_at - imported_at,
        YEAR: time.perf_counter() - evaluation_start,
    }


if __name__ == "__main__":
    seconds = start(**json.loads(sys.argv[1]))
    print(json.dumps(seconds), flush=True)
    # Skips the shutdown of Ray and torch, which takes seconds.
    os._exit(0)
