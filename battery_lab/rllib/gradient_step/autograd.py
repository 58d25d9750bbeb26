"""From a loss to gradients, by autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


class Losses(Protocol):
    """What an algorithm descends: a frozen dataclass of numbers, so that it can be told apart and sent elsewhere."""

    def __call__(self, module: nn.Module, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the loss of a minibatch and detached figures of it.

        Args:
            module: the networks.
            batch: columns of the minibatch, (B, ...).
            coefficients: weights that change while training, and parameters that belong to no network.
        """


def trained(module: nn.Module, coefficients: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return all that has a gradient, in a fixed order."""
    found = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return found + [coefficients[name] for name in sorted(coefficients) if coefficients[name].requires_grad]


def by_autograd(
    losses: Losses, module: nn.Module, parameters: Sequence[torch.Tensor], batch: Tensors, coefficients: Tensors
) -> Tensors:
    """Set the gradients of a minibatch and return figures of it.

    Args:
        losses: what is descended.
        module: the networks.
        parameters: all that is ``trained``.
        batch: columns of the minibatch, (B, ...).
        coefficients: weights that change while training, and parameters that belong to no network.
    """
    for parameter in parameters:
        parameter.grad = None
    loss, figures = losses(module, batch, coefficients)
    loss.backward()  # type: ignore[no-untyped-call]
    return figures
