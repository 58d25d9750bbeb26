"""Array versus stock: final returns of rollout=array and rollout=stock over seeds, with confidence intervals.

python -m benchmarks.array_vs_stock_returns [--tasks cartpole_ppo,battery_ppo (or with dqn, sac)]
                                            [--seeds 0] [--scale 1.0] [--workers CORES]
                                            [--out outputs/equal_learning.json]

Seeds run in parallel with one thread each. A return is that of the greedy final policy: on CartPole-v1 the mean of 100
episodes, on the battery (synthetic market, reward=regret) the profit per day in the validation period. A seed gives
both backends the same initial weights and environments. The difference of means, array minus stock, is reported as a
fraction of stock's mean, with the 95 % interval of paired seeds (Student's t). The backends are equal if the interval
lies within 5 %. The interval of unpaired seeds (Welch 1947) is reported too. Both are also reported for the policy at
half of the budget, where learning may not be finished.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

BACKENDS = ("stock", "array")
MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Task:
    """A learning task.

    Attributes:
        algo: the algorithm.
        seeds: number of seeds to compare.
        env_steps: the budget, with which stock RLlib reaches a good return.
        overrides: overrides of the lab's command line.
        cartpole: whether the environment is CartPole-v1 instead of the composed one.
    """

    algo: str
    seeds: int
    env_steps: int
    overrides: tuple[str, ...]
    cartpole: bool


# One environment: RLlib counts its updates by rounds of sampling, and with several environments a round is too long
# whenever some of them reset. With 8 environments and fragments of 4, stock took an eighth fewer updates.
OFF_POLICY = (
    *("algo.num_envs=1", "algo.fragment=32", "algo.batch=128", "algo.training_intensity=32", "algo.gamma=0.99"),
    *("algo.learning_starts=1024", "algo.iteration_steps=1024", "algo.replay.capacity=50000"),
)
TASKS = {
    "cartpole_ppo": Task(
        algo="ppo",
        seeds=10,
        env_steps=120_000,
        cartpole=True,
        overrides=(
            *(
                "algo.num_envs=16",
                "algo.fragment=128",
                "algo.minibatch=256",
                "algo.min_batches=0",
                "algo.epochs=6",
                "algo.gamma=0.99",
            ),
            *("algo.gae_lambda=0.95", "algo.lr=1e-3", "algo.value_clip=1e5", "algo.entropy_coeff=0.0"),
            *("algo.entropy_coeff_end=0.0", "algo.lr_end=0", "network.hidden=[64,64]"),
        ),
    ),
    "cartpole_dqn": Task(
        algo="dqn",
        seeds=10,
        env_steps=20_000,
        cartpole=True,
        overrides=(*OFF_POLICY, "algo.lr=1e-3", "algo.target_update=512", "network.hidden=[64,64]"),
    ),
    "cartpole_sac": Task(
        algo="sac",
        seeds=10,
        env_steps=20_000,
        cartpole=True,
        overrides=(*OFF_POLICY, "algo.actor_lr=1e-3", "algo.critic_lr=1e-3", "network.hidden=[64,64]"),
    ),
    "battery_ppo": Task(
        algo="ppo",
        seeds=15,  # With five, the interval is wider than the margin.
        env_steps=1_000_000,
        cartpole=False,
        overrides=(
            "algo.num_envs=64",
            "algo.fragment=128",
            "algo.minibatch=1024",
            "algo.min_batches=0",
            "reward=regret",
        ),
    ),
    **{
        f"battery_{algo}": Task(
            algo=algo, seeds=15, env_steps=100_000, cartpole=False, overrides=("reward=regret", "algo.num_envs=64")
        )
        for algo in ("dqn", "sac")
    },
}


def train(name: str, backend: str, seed: int, scale: float) -> dict[str, Any]:
    """Train and evaluate one policy, in a separate process.

    Args:
        name: name of the task.
        backend: ``array`` or ``stock``.
        seed: seed of the trial.
        scale: fraction of the task's budget.
    """
    # RLlib warns about each optional library that is missing.
    logging.disable(logging.WARNING)
    # Not at the top: the parent process does not need it.
    import torch

    from benchmarks.backend_returns import returns

    logging.disable(logging.NOTSET)
    torch.set_num_threads(1)
    start = time.perf_counter()
    task = TASKS[name]
    halfway, final = returns(task.algo, task.overrides, backend, seed, round(scale * task.env_steps), task.cartpole)
    seconds = time.perf_counter() - start
    return {"task": name, "backend": backend, "seed": seed, "seconds": seconds, "halfway": halfway, "final": final}


def compare(stock: Sequence[float], array: Sequence[float]) -> dict[str, Any]:
    """Return the difference of means with its 95 % intervals, as fractions of stock's mean.

    Args:
        stock: one return per seed.
        array: returns of the same seeds, in the same order.
    """
    from scipy.stats import ttest_ind, ttest_rel

    base = statistics.mean(stock)
    difference = statistics.mean(array) - base
    with warnings.catch_warnings():
        # scipy warns about returns that hardly differ, such as maximum returns; ``spreads`` reports them.
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = _interval(ttest_rel(array, stock), difference, abs(base))
        welch = _interval(ttest_ind(array, stock, equal_var=False), difference, abs(base))
    return {
        "stock_mean": base,
        "array_mean": statistics.mean(array),
        "difference": difference / abs(base),
        "interval": [low, high],
        "welch_interval": welch,
        "spreads": len({*stock}) > 1 or len({*array}) > 1,
        "within_margin": low >= -MARGIN and high <= MARGIN,
    }


def _interval(test: Any, difference: float, base: float) -> list[float]:
    """Return a test's 95 % interval as fractions; without any variance scipy returns nan, and this the difference."""
    bounds = [float(bound) for bound in test.confidence_interval(0.95)]
    return [(difference if math.isnan(bound) else bound) / base for bound in bounds]


def collect(options: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    """Train all seeds of all tasks with both backends; returns the results and the number of failures."""
    jobs = [
        (name, backend, seed)
        for name in options.tasks
        for seed in range(options.seeds or TASKS[name].seeds)
        for backend in options.backends
    ]
    results = []
    # One process per job, because RLlib and torch keep state.
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = {pool.submit(train, *job, options.scale): job for job in jobs}
        for number, future in enumerate(as_completed(futures), 1):
            name, backend, seed = futures[future]
            prefix = f"[{number}/{len(jobs)}] {name} rollout={backend} seed {seed}"
            if error := future.exception():
                print(f"{prefix} failed: {error}", flush=True)
                continue
            result = future.result()
            results.append(result)
            returns = f"{result['halfway']:,.1f} halfway, {result['final']:,.1f} at the end"
            print(f"{prefix}: {returns}, {result['seconds']:.0f} s", flush=True)
    return results, len(jobs) - len(results)


def report(name: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Print and return the comparison of one task."""
    comparison: dict[str, Any] = {}
    for when in ("halfway", "final"):
        by_backend = {
            backend: [run[when] for run in sorted(results, key=lambda run: run["seed"]) if run["backend"] == backend]
            for backend in BACKENDS
        }
        print(f"\n{name}, {when}")
        for backend, values in by_backend.items():
            print(f"  {backend}: {', '.join(f'{value:,.1f}' for value in values)}")
        comparison[when] = {"returns": by_backend}
        if all(len(values) > 1 for values in by_backend.values()):
            comparison[when] |= compare(by_backend["stock"], by_backend["array"])
            (low, high), welch = comparison[when]["interval"], comparison[when]["welch_interval"]
            verdict = "within" if comparison[when]["within_margin"] else "NOT within"
            difference = comparison[when]["difference"]
            # For example, all returns are the maximum, where no difference could show.
            note = "" if comparison[when]["spreads"] else ": all seeds are equal"
            print(f"  array minus stock: {difference:+.1%} ({low:+.1%} to {high:+.1%}), {verdict} {MARGIN:.0%}{note}")
            print(f"  unpaired seeds: {welch[0]:+.1%} to {welch[1]:+.1%}")
    return comparison


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, print and store; returns 1 unless all tasks are equal within the margin."""
    names = list(TASKS)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    # Stock RLlib takes several times as long with the other algorithms.
    default = [name for name in names if name.endswith("ppo")]
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=default, help=",".join(names))
    parser.add_argument("--seeds", type=int, default=0, help="number of seeds; 0: the default of each task")
    parser.add_argument(
        "--backends", "--paths", type=lambda text: text.split(","), default=list(BACKENDS), help="stock,array"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the budgets, for a quick test")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="parallel seeds")
    parser.add_argument("--out", type=Path, default=Path("outputs/equal_learning.json"), help="output file")
    options = parser.parse_args(arguments)
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"--tasks must be among {', '.join(TASKS)}, got {', '.join(sorted(unknown))}")
    for flag, least in (("seeds", 0), ("workers", 1), ("scale", 1e-6)):
        if (value := getattr(options, flag)) < least:
            parser.error(f"--{flag} must be at least {least}, got {value}")
    os.environ |= {"OMP_NUM_THREADS": "1", "RLLIB_TEST_NO_TF_IMPORT": "1"}
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as cache:
        # The first run of a task compiles for all others.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        results, failed = collect(options)
    command = " ".join(
        ["python -m benchmarks.array_vs_stock_returns", *(sys.argv[1:] if arguments is None else arguments)]
    )
    comparisons = {
        name: report(name, [run for run in results if run["task"] == name]) | {"command": command}
        for name in options.tasks
    }
    stored = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(stored | comparisons, indent=1) + "\n")
    print(f"\nwritten to {options.out}")
    if failed:
        print(f"{failed} runs failed, so the comparison is not valid")
    return int(
        failed > 0 or not all(comparison["final"].get("within_margin", False) for comparison in comparisons.values())
    )


if __name__ == "__main__":
    sys.exit(main())
