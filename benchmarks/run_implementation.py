"""One run of one implementation in a separate process; prints its measurements as JSON on the last line.

python -m benchmarks.run_implementation \
        '{"implementation": "lab", "seconds": 10, "threads": 2, "workload": {"algo": "ppo"}}'
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import torch

from benchmarks import clock_and_rates, matmul_bound, peak_memory
from benchmarks.clock_and_rates import Clock
from benchmarks.implementations import MATMUL, OVERRIDES, SAMPLING
from benchmarks.workload import HIDDEN, Workload


def run(implementation: str, workload: Workload, seconds: float) -> dict[str, Any]:
    """Run one implementation with torch's current number of threads, and return its measurements."""
    env = workload.vector_env()
    observation, actions = env.single_observation_space.shape[0], env.single_action_space
    if implementation == MATMUL:
        outputs = int(getattr(actions, "n", 0)) or 2 * actions.shape[0]
        return {"env_steps_per_second": matmul_bound.bound(workload, observation, outputs, seconds)}
    _warm_up(workload)
    clock = Clock(seconds, 0 if workload.on_policy or implementation in SAMPLING else workload.fill)
    children_memory_mb = _train(implementation, workload, clock)
    marks = clock.marks
    return {
        "env_steps_per_second": clock_and_rates.rate(marks, seconds),
        "env_steps_per_second_steady": clock_and_rates.steady_rate(marks, seconds),
        "slowest_step_s": clock_and_rates.slowest_step(marks),
        "seconds": marks[-1][1] - marks[0][1],
        "env_steps": marks[-1][0] - marks[0][0],
        "observation": observation,
        "memory_mb": peak_memory.peak_memory_mb(),
        "children_memory_mb": children_memory_mb,
    }


def _warm_up(workload: Workload) -> None:
    """Load what is loaded on first use and belongs to no implementation: compiled physics and torch's optimizers."""
    env = workload.vector_env()
    env.reset()
    env.step(env.action_space.sample())
    layer = torch.nn.Linear(1, 1)
    layer(torch.ones(1, 1)).sum().backward()
    torch.optim.Adam(layer.parameters(), fused=True).step()


def _train(implementation: str, workload: Workload, clock: Clock) -> float:
    """Train until the clock ends, and return the memory of the child processes in MB."""
    if implementation == "sb3":
        from benchmarks.peers import sb3

        sb3.train(workload, clock)
    elif implementation.startswith("torch"):
        _train_torch_loop(workload, clock, compiled=implementation == "torch_compiled")
    else:
        return _train_rllib(implementation, workload, clock)
    return peak_memory.children_memory_mb()


def _train_torch_loop(workload: Workload, clock: Clock, compiled: bool) -> None:
    from benchmarks.peers import torch_dqn, torch_ppo, torch_sac

    torch.manual_seed(workload.seed)
    env = workload.vector_env()
    if workload.on_policy:
        clock.follow(torch_ppo.train(env, workload.options, HIDDEN, compiled))
    else:
        loop = torch_dqn if workload.algo == "dqn" else torch_sac
        clock.follow(loop.train(env, workload.options, HIDDEN, workload.updates, compiled))


def _train_rllib(implementation: str, workload: Workload, clock: Clock) -> float:
    from benchmarks.peers import lab, rllib_single_env

    if implementation == "rllib_single":
        algorithm = rllib_single_env.ppo(workload)
    else:
        algorithm = lab.algorithm(workload, OVERRIDES[implementation])
    sampling = implementation in SAMPLING
    clock.follow(lab.sampling(algorithm, workload) if sampling else lab.training(algorithm))
    # Before stop(), which ends the runners.
    children = peak_memory.children_memory_mb()
    algorithm.stop()
    return children


def main(text: str) -> None:
    """Run the task in a JSON text."""
    warnings.filterwarnings("ignore")
    task = json.loads(text)
    torch.set_num_threads(task["threads"])
    result = run(task["implementation"], Workload(**task["workload"]), task["seconds"])
    threads = torch.get_num_threads()
    sys.stdout.flush()
    print(json.dumps(result | {"threads": threads}), flush=True)
    # Skips the shutdown of Ray and torch, which takes seconds.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
