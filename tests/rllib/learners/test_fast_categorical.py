"""Fast categorical: probabilities, entropies, divergences and their gradients equal those of RLlib's distribution."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical

from battery_lab.rllib.learners.fast_categorical import distribution


@pytest.mark.parametrize("excluded", [None, torch.finfo(torch.float32).min, -torch.inf])
def test_categorical_distribution_equals_rllibs(excluded):
    torch.manual_seed(0)
    logits, others = (torch.randn(50, 4) * 3 for _ in range(2))
    actions = torch.randint(3, (50,))
    if excluded is not None:
        logits[:, 3] = others[:, 3] = excluded
    results = []
    for kind in (TorchCategorical, None):
        inputs = logits.clone().requires_grad_()
        make = TorchCategorical.from_logits if kind is None else partial(distribution, kind)
        first, second = make(inputs), make(others)
        parts = [first.logp(actions), first.entropy(), second.kl(first)]
        sum(part.sum() for part in parts).backward()
        results.append([*parts, inputs.grad])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)
