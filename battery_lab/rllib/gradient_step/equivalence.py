"""Whether a compiled program did what autograd did."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from battery_lab.rllib.gradient_step.autograd import Tensors

AGREES = 1e-3  # largest difference, as a share of a tensor's largest entry


def laid_out(found: Sequence[torch.Tensor], parameters: Sequence[torch.Tensor]) -> bool:
    """Whether gradients lie in memory as their parameters do, which Adam's kernel goes through side by side."""
    pairs = zip(found, parameters, strict=False)
    return all(a.shape == b.shape and a.is_contiguous() and b.is_contiguous() for a, b in pairs)


def same(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> bool:
    """Whether tensors are the same but for rounding."""
    pairs = zip(found, wanted, strict=False)
    return all(float((a - b).abs().max()) <= AGREES * float(b.abs().max()) + 1e-6 for a, b in pairs)


def same_figures(found: Tensors, wanted: Tensors) -> bool:
    """Whether errors of all transitions are the same; what is one number may be the small difference of large ones."""
    each = [name for name in wanted if wanted[name].dim()]
    return same([found[name] for name in each], [wanted[name] for name in each])
