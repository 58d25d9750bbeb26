"""Whether a compiled gradient step did what autograd and the optimisers do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from battery_lab.rollout.descent import AdamDescent
from battery_lab.rollout.gradients import Tensors

AGREES = 1e-3  # largest difference, as a share of a tensor's largest entry
Groups = list[list[torch.Tensor]]


def copied(groups: Groups) -> Groups:
    """Return copies of the program's arguments."""
    return [[tensor.clone() for tensor in group] for group in groups]


def adopt(groups: Groups, results: Groups) -> None:
    """Write the results of the program over what the optimisers made."""
    for old, new in zip(itertools.chain(*groups), itertools.chain(*results), strict=True):
        old.copy_(new)


def same(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> bool:
    """Whether tensors are the same but for rounding."""
    pairs = zip(found, wanted, strict=False)
    return all(float((a - b).abs().max()) <= AGREES * float(b.abs().max()) + 1e-6 for a, b in pairs)


def same_figures(found: Tensors, wanted: Tensors) -> bool:
    """Whether errors of all transitions are the same; what is one number may be the small difference of large ones."""
    each = [name for name in wanted if wanted[name].dim()]
    return same([found[name] for name in each], [wanted[name] for name in each])


def same_descent(descent: AdamDescent, before: Groups, found: Groups, wanted: Groups) -> bool:
    """Whether Adam's moments are the same, and parameters went the same way.

    Args:
        descent: which moments belong together.
        before: the program's arguments before the step: networks, coefficients, batch and moments.
        found: the same after the program.
        wanted: the same after the optimisers.
    """
    moments = (comparable(descent, groups[-1]) for groups in (found, wanted))
    return same(*moments) and _moved_alike(*(groups[0] + groups[1] for groups in (before, found, wanted)))


def comparable(descent: AdamDescent, moments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return moments with the roots of the second ones, which are as large as gradients then."""
    found: list[torch.Tensor] = []
    for part in descent.parts:
        mine, count = moments[len(found) :], len(part.parameters)
        roots = [second.sqrt() for second in mine[count : 2 * count]]
        found += [*mine[:count], *roots, *mine[2 * count : 3 * count + 1]]
    return found


def _moved_alike(before: Sequence[torch.Tensor], found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> bool:
    """Whether parameters went the same way on the whole: where a gradient is 0, Adam blows rounding up."""
    apart = sum(float((a - b).abs().sum()) for a, b in zip(found, wanted, strict=True))
    way = sum(float((b - a).abs().sum()) for a, b in zip(before, wanted, strict=True))
    return apart <= 0.01 * way + 1e-6
