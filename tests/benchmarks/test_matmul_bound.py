"""The bound by matrix products."""

from __future__ import annotations

import pytest
import torch

from benchmarks import matmul_bound
from benchmarks.workload import Workload


def flops(shapes: list[matmul_bound.Shape]) -> int:
    return sum(2 * m * k * n for m, k, n in shapes)


def test_products_of_a_network_equal_the_count_of_torch() -> None:
    sizes, rows = [292, 128, 128, 4], 64
    net = torch.nn.Sequential(*(torch.nn.Linear(k, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)))
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net(torch.ones(rows, 292)).sum().backward()
    assert flops(matmul_bound.learning(rows, sizes)) == counter.get_total_flops()


def test_sac_has_more_products_than_dqn_and_dqn_more_than_a_forward_pass() -> None:
    dqn = flops(matmul_bound.update(Workload(algo="dqn", fragment=4), 292, 3))
    sac = flops(matmul_bound.update(Workload(algo="sac", fragment=4), 292, 2))
    assert sac > 3 * dqn
    assert dqn > 3 * flops(matmul_bound.forward(1024, [292, 128, 128, 3]))


def test_bound_combines_acting_and_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    # Acting takes 1 ms for 64 steps, and each of 4 epochs 4 ms per 1,024.
    times = iter((1e-3, 4e-3))
    monkeypatch.setattr(matmul_bound, "seconds_each", lambda shapes, seconds: next(times))
    assert matmul_bound.bound(Workload(algo="ppo"), 292, 3, 1.0) == pytest.approx(1 / (1e-3 / 64 + 4 * 4e-3 / 1024))
