"""Comparison of a compiled program's results with those of autograd."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from battery_lab.rllib.gradient_step.autograd import Tensors

RELATIVE_TOLERANCE = 1e-3  # largest difference, as a fraction of the tensor's largest entry


def same_memory_layout(gradients: Sequence[torch.Tensor], parameters: Sequence[torch.Tensor]) -> bool:
    """Return whether gradients are contiguous like their parameters, as Adam's fused kernel requires."""
    pairs = zip(gradients, parameters, strict=False)
    return all(a.shape == b.shape and a.is_contiguous() and b.is_contiguous() for a, b in pairs)


def nearly_equal(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> bool:
    """Return whether tensors are equal up to rounding."""
    pairs = zip(actual, expected, strict=False)
    return all(float((a - b).abs().max()) <= RELATIVE_TOLERANCE * float(b.abs().max()) + 1e-6 for a, b in pairs)


def nearly_equal_metrics(actual: Tensors, expected: Tensors) -> bool:
    """Return whether the metrics with a value per transition are equal up to rounding.

    Scalar metrics are not compared: one may be a small difference of large numbers.
    """
    names = [name for name in expected if expected[name].dim()]
    return nearly_equal([actual[name] for name in names], [expected[name] for name in names])
