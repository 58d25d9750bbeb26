"""One side of the benchmark, once, in a process of its own; prints what it measured as JSON on the last line.

python -m benchmarks.run_implementation '{"side": "lab", "seconds": 10, "threads": 2, "work": {"algo": "ppo"}}'
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import torch

from benchmarks import matmul_bound, timing
from benchmarks.implementations import CHOICES, MATMUL, SAMPLING
from benchmarks.timing import Clock
from benchmarks.workload import HIDDEN, Workload


def run(side: str, work: Workload, seconds: float) -> dict[str, Any]:
    """Run one side and return what was measured; torch's threads are set."""
    space = work.vector_env()
    observation, actions = space.single_observation_space.shape[0], space.single_action_space
    if side == MATMUL:
        outputs = int(getattr(actions, "n", 0)) or 2 * actions.shape[0]
        return {"env_steps_per_second": matmul_bound.bound(work, observation, outputs, seconds)}
    _warm_up(work)
    clock = Clock(seconds, 0 if work.on_policy or side in SAMPLING else work.fill)
    children_memory_mb = _train(side, work, clock)
    marks = clock.marks
    return {
        "env_steps_per_second": timing.rate(marks, seconds),
        "env_steps_per_second_steady": timing.steady_rate(marks, seconds),
        "slowest_step_s": timing.slowest_step(marks),
        "seconds": marks[-1][1] - marks[0][1],
        "env_steps": marks[-1][0] - marks[0][0],
        "observation": observation,
        "memory_mb": timing.peak_memory_mb(),
        "children_memory_mb": children_memory_mb,
    }


def _warm_up(work: Workload) -> None:
    """Load what is loaded on first use, in which nobody is to have a part: compiled physics, torch's optimisers."""
    env = work.vector_env()
    env.reset()
    env.step(env.action_space.sample())
    layer = torch.nn.Linear(1, 1)
    layer(torch.ones(1, 1)).sum().backward()
    torch.optim.Adam(layer.parameters(), fused=True).step()


def _train(side: str, work: Workload, clock: Clock) -> float:
    """Train until time is up, and return the memory of the processes that helped, MB."""
    if side == "sb3":
        from benchmarks.peers import sb3

        sb3.train(work, clock)
    elif side.startswith("torch"):
        _torch(work, clock, compiled=side == "torch_compiled")
    else:
        return _rllib(side, work, clock)
    return timing.children_memory_mb()


def _torch(work: Workload, clock: Clock, compiled: bool) -> None:
    from benchmarks.peers import torch_dqn, torch_ppo, torch_sac

    torch.manual_seed(work.seed)
    env = work.vector_env()
    if work.on_policy:
        clock.follow(torch_ppo.train(env, work.options, HIDDEN, compiled))
    else:
        loop = torch_dqn if work.algo == "dqn" else torch_sac
        clock.follow(loop.train(env, work.options, HIDDEN, work.updates, compiled))


def _rllib(side: str, work: Workload, clock: Clock) -> float:
    from benchmarks.peers import lab, rllib_single

    built = rllib_single.ppo(work) if side == "rllib_single" else lab.algorithm(work, CHOICES[side])
    clock.follow(lab.sampling(built, work) if side in SAMPLING else lab.training(built))
    # Its runners go with it, and are to be measured first.
    children = timing.children_memory_mb()
    built.stop()
    return children


def main(text: str) -> None:
    """Run what the JSON says."""
    warnings.filterwarnings("ignore")
    task = json.loads(text)
    torch.set_num_threads(task["threads"])
    result = run(task["side"], Workload(**task["work"]), task["seconds"])
    threads = torch.get_num_threads()
    sys.stdout.flush()
    print(json.dumps(result | {"threads": threads}), flush=True)
    # Ray's and torch's own farewells cost seconds and tell nothing.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
