"""Upper bound on training speed: the time of the workload's matrix products alone.

The products are the minimum of each algorithm: a forward pass to act, and for each gradient step the forward passes of
its loss, the gradients of all weights, and the gradients of the hidden layers' inputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.workload import HIDDEN, Workload

Shape = tuple[int, int, int]  # (m, k, n): an (m, k) matrix times a (k, n) one


def forward(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Return the products of a forward pass through dense layers."""
    return [(rows, k, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)]


def weight_gradients(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Return the products for the gradients of all weights."""
    return [(k, rows, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)]


def input_gradients(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Return the products for the gradients of all inputs but the first layer's, which are data."""
    return [(rows, n, k) for k, n in list(zip(sizes[:-1], sizes[1:], strict=True))[1:]]


def learning(rows: int, sizes: Sequence[int]) -> list[Shape]:
    """Return the products of a forward and a backward pass."""
    return forward(rows, sizes) + weight_gradients(rows, sizes) + input_gradients(rows, sizes)


def acting(workload: Workload, observation: int, outputs: int) -> list[Shape]:
    """Return the products of acting for one step in all environments."""
    return forward(workload.num_envs, [observation, *HIDDEN, outputs])


def update(workload: Workload, observation: int, outputs: int) -> list[Shape]:
    """Return the products of one gradient step; ``outputs`` are action scores, or mean and standard deviation.

    PPO: policy and value share their layers. DQN: the loss, and the target network on the next observation. SAC: twin
    critics and their targets, the policy on both observations, and its gradient through the critics.
    """
    rows = workload.options["minibatch" if workload.on_policy else "batch"]
    policy, critic = [observation, *HIDDEN, outputs], [observation + 1, *HIDDEN, 1]
    if workload.on_policy:
        return learning(rows, [observation, *HIDDEN, outputs + 1])
    if workload.algo == "dqn":
        return learning(rows, policy) + forward(rows, policy)
    critics = 2 * (learning(rows, critic) + 2 * forward(rows, critic) + input_gradients(rows, critic))
    return critics + learning(rows, policy) + forward(rows, policy)


def bound(workload: Workload, observation: int, outputs: int, seconds: float) -> float:
    """Return environment steps per second if only matrix products took time.

    Args:
        workload: the workload.
        observation: size of an observation.
        outputs: size of the policy's output.
        seconds: duration of the measurement.
    """
    act = seconds_each(acting(workload, observation, outputs), seconds / 3) / workload.num_envs
    step = seconds_each(update(workload, observation, outputs), 2 * seconds / 3)
    if workload.on_policy:
        return 1 / (act + workload.options["epochs"] * step / workload.options["minibatch"])
    return 1 / (act + workload.updates * step / (workload.fragment * workload.num_envs))


def seconds_each(shapes: Sequence[Shape], seconds: float) -> float:
    """Return the mean seconds of all products in sequence, with preallocated results and torch's threads."""
    triples = [(torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)) for m, k, n in shapes]

    def multiply() -> None:
        for left, right, out in triples:
            torch.mm(left, right, out=out)

    return _mean_time(multiply, seconds)


def _mean_time(function: Callable[[], None], seconds: float) -> float:
    for _ in range(10):
        function()
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        function()
        count += 1
    return (time.perf_counter() - start) / count
