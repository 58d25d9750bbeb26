"""The matrix products of the work and nothing else: no training with these networks can be faster.

Counted for the least that an algorithm can do: one pass through the policy to act, and for each gradient step the
passes of its loss, the gradients of all weights, and those of the layers that stand between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.workload import HIDDEN, Workload

Shape = tuple[int, int, int]  # (m, k, n): an (m, k) matrix times a (k, n) one


def forward(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """One pass through dense layers of these sizes."""
    return [(rows, k, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)]


def weight_gradients(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Gradients of every layer's weights."""
    return [(k, rows, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)]


def input_gradients(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Gradients of every layer's inputs but the first's, which are data."""
    return [(rows, n, k) for k, n in list(zip(sizes[:-1], sizes[1:], strict=True))[1:]]


def learning(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Forward and backward through one network."""
    return forward(rows, sizes) + weight_gradients(rows, sizes) + input_gradients(rows, sizes)


def acting(work: Workload, observation: int, outputs: int) -> list[Shape]:
    """One step of all environments."""
    return forward(work.num_envs, [observation, *HIDDEN, outputs])


def update(work: Workload, observation: int, outputs: int) -> list[Shape]:
    """One gradient step; ``outputs`` are actions, or mean and spread of one.

    PPO: policy and value share their layers. DQN: the loss, and the target network on what came next. SAC: twin
    critics and their targets, the policy on both observations, and its gradient through the critics.
    """
    rows = work.options["minibatch" if work.on_policy else "batch"]
    policy, critic = [observation, *HIDDEN, outputs], [observation + 1, *HIDDEN, 1]
    if work.on_policy:
        return learning(rows, [observation, *HIDDEN, outputs + 1])
    if work.algo == "dqn":
        return learning(rows, policy) + forward(rows, policy)
    critics = 2 * (learning(rows, critic) + 2 * forward(rows, critic) + input_gradients(rows, critic))
    return critics + learning(rows, policy) + forward(rows, policy)


def bound(work: Workload, observation: int, outputs: int, seconds: float) -> float:
    """Environment steps per second if only matrix products took time.

    Args:
        work: the work.
        observation: numbers in an observation.
        outputs: of the policy.
        seconds: to spend on the measurement.
    """
    act = seconds_each(acting(work, observation, outputs), seconds / 3) / work.num_envs
    step = seconds_each(update(work, observation, outputs), 2 * seconds / 3)
    if work.on_policy:
        return 1 / (act + work.options["epochs"] * step / work.options["minibatch"])
    return 1 / (act + work.updates * step / (work.fragment * work.num_envs))


def seconds_each(shapes: Sequence[Shape], seconds: float) -> float:
    """Time the products, one after the other into memory that is there, on torch's threads."""
    triples = [(torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)) for m, k, n in shapes]

    def once() -> None:
        for left, right, out in triples:
            torch.mm(left, right, out=out)

    return _mean_time(once, seconds)


def _mean_time(once: Callable[[], None], seconds: float) -> float:
    for _ in range(10):
        once()
    count, begun = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - begun < seconds:
        once()
        count += 1
    return (time.perf_counter() - begun) / count
