"""Whether rollout=array learns what rollout=stock learns: final returns over seeds, and how far they may be apart.

python -m benchmarks.equal_learning [--tasks cartpole_ppo,battery_ppo (or with dqn, sac)]
                                    [--seeds 0] [--scale 1.0] [--workers CORES]
                                    [--out outputs/equal_learning.json]

Seeds run side by side with one thread each. A return is that of the final policy at its best guess (greedy): on
CartPole-v1 the mean of 100 episodes, on the battery (a made market, reward=regret) profit a day on validation time.
A seed gives both paths the same first weights and the same worlds, so that the difference of means, array less stock,
comes with the 95 % interval of paired seeds (Student's t), as shares of stock's mean; equal is what lies within 5 %.
Beside it stands the interval of seeds that have nothing in common (Welch 1947). The same is told of the policy at half
the budget, where all may still be on the way.
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

PATHS = ("stock", "array")
MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to learn.

    Attributes:
        algo: the algorithm.
        seeds: how many are compared.
        env_steps: the budget, at which stock RLlib reaches a good return.
        overrides: choices, as on the lab's command line.
        cartpole: whether the environment is CartPole-v1, or the one that is composed.
    """

    algo: str
    seeds: int
    env_steps: int
    overrides: tuple[str, ...]
    cartpole: bool


# One environment, as RLlib takes its updates by rounds of sampling, and one of several environments is longer than it
# should be wherever some begin anew: with 8 of them and fragments of 4 stock took an eighth fewer updates.
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
            *("algo.num_envs=16", "algo.fragment=128", "algo.minibatch=256", "algo.epochs=6", "algo.gamma=0.99"),
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
        seeds=15,  # of five the interval is wider than the margin
        env_steps=1_000_000,
        cartpole=False,
        overrides=("algo.num_envs=64", "algo.fragment=128", "algo.minibatch=1024", "reward=regret"),
    ),
    **{
        f"battery_{algo}": Task(
            algo=algo, seeds=15, env_steps=100_000, cartpole=False, overrides=("reward=regret", "algo.num_envs=64")
        )
        for algo in ("dqn", "sac")
    },
}


def train(name: str, path: str, seed: int, scale: float) -> dict[str, Any]:
    """Train one policy and judge it; in a process of its own.

    Args:
        name: of the task.
        path: ``array`` or ``stock``.
        seed: of the trial.
        scale: share of the task's budget.
    """
    # RLlib warns of each library that it does without, each time anew.
    logging.disable(logging.WARNING)
    # Here, as the parent process needs none of it.
    import torch

    from benchmarks.peers.final_returns import returns

    logging.disable(logging.NOTSET)
    torch.set_num_threads(1)
    begun = time.perf_counter()
    task = TASKS[name]
    halfway, final = returns(task.algo, task.overrides, path, seed, round(scale * task.env_steps), task.cartpole)
    seconds = time.perf_counter() - begun
    return {"task": name, "path": path, "seed": seed, "seconds": seconds, "halfway": halfway, "final": final}


def compare(stock: Sequence[float], array: Sequence[float]) -> dict[str, Any]:
    """Return the difference of means with its 95 % intervals, as shares of stock's mean.

    Args:
        stock: final returns, a seed each.
        array: those of the same seeds, in the same order.
    """
    from scipy.stats import ttest_ind, ttest_rel

    base = statistics.mean(stock)
    difference = statistics.mean(array) - base
    with warnings.catch_warnings():
        # Of returns that scarcely differ, as at a ceiling, which are told below.
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
    """Return a test's 95 % interval as shares; where nothing scatters, which scipy has none for, the difference."""
    found = [float(bound) for bound in test.confidence_interval(0.95)]
    return [(difference if math.isnan(bound) else bound) / base for bound in found]


def collect(options: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    """Train all seeds of all tasks on both paths, and return what each gave, and how many failed."""
    jobs = [
        (name, path, seed)
        for name in options.tasks
        for seed in range(options.seeds or TASKS[name].seeds)
        for path in options.paths
    ]
    found = []
    # A process a job, as RLlib and torch keep state.
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = {pool.submit(train, *job, options.scale): job for job in jobs}
        for number, future in enumerate(as_completed(futures), 1):
            name, path, seed = futures[future]
            head = f"[{number}/{len(jobs)}] {name} rollout={path} seed {seed}"
            if error := future.exception():
                print(f"{head} failed: {error}", flush=True)
                continue
            done = future.result()
            found.append(done)
            figures = f"{done['halfway']:,.1f} halfway, {done['final']:,.1f} at the end"
            print(f"{head}: {figures}, {done['seconds']:.0f} s", flush=True)
    return found, len(jobs) - len(found)


def report(name: str, done: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Print one task's comparison and return it."""
    told: dict[str, Any] = {}
    for when in ("halfway", "final"):
        by_path = {
            path: [one[when] for one in sorted(done, key=lambda one: one["seed"]) if one["path"] == path]
            for path in PATHS
        }
        print(f"\n{name}, {when}")
        for path, values in by_path.items():
            print(f"  {path}: {', '.join(f'{value:,.1f}' for value in values)}")
        told[when] = {"returns": by_path}
        if all(len(values) > 1 for values in by_path.values()):
            told[when] |= compare(by_path["stock"], by_path["array"])
            (low, high), welch = told[when]["interval"], told[when]["welch_interval"]
            verdict = "within" if told[when]["within_margin"] else "NOT within"
            difference = told[when]["difference"]
            # All at a ceiling, say, where a difference could not show.
            bare = "" if told[when]["spreads"] else ": no seed differs from another"
            print(f"  array less stock: {difference:+.1%} ({low:+.1%} to {high:+.1%}), {verdict} {MARGIN:.0%}{bare}")
            print(f"  of seeds that are not paired: {welch[0]:+.1%} to {welch[1]:+.1%}")
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, print and write; returns 1 where equality within the margin is not shown by all seeds."""
    names = list(TASKS)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    # With the others stock RLlib takes several times as long.
    chosen = [name for name in names if name.endswith("ppo")]
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=chosen, help=",".join(names))
    parser.add_argument("--seeds", type=int, default=0, help="how many; 0: as many as each task wants")
    parser.add_argument("--paths", type=lambda text: text.split(","), default=list(PATHS), help="stock,array")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the budgets, for a try")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="seeds side by side")
    parser.add_argument("--out", type=Path, default=Path("outputs/equal_learning.json"), help="where figures go")
    options = parser.parse_args(arguments)
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"--tasks knows {', '.join(TASKS)}, not {', '.join(sorted(unknown))}")
    for flag, least in (("seeds", 0), ("workers", 1), ("scale", 1e-6)):
        if (value := getattr(options, flag)) < least:
            parser.error(f"--{flag} must be at least {least}, got {value}")
    os.environ |= {"OMP_NUM_THREADS": "1", "RLLIB_TEST_NO_TF_IMPORT": "1"}
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as cache:
        # The first training of a task compiles for all others.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        done, failed = collect(options)
    command = " ".join(["python -m benchmarks.equal_learning", *(sys.argv[1:] if arguments is None else arguments)])
    found = {
        name: report(name, [one for one in done if one["task"] == name]) | {"command": command}
        for name in options.tasks
    }
    written = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(written | found, indent=1) + "\n")
    print(f"\nwritten to {options.out}")
    if failed:
        print(f"{failed} trainings failed: nothing is shown by those that are left")
    return int(failed > 0 or not all(told["final"].get("within_margin", False) for told in found.values()))


if __name__ == "__main__":
    sys.exit(main())
