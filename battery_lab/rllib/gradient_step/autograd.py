"""Gradients of a loss function by PyTorch's automatic differentiation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


class LossFunction(Protocol):
    """The loss of an algorithm: a frozen dataclass of numbers, so that it can be hashed and pickled."""

    def __call__(self, module: nn.Module, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the loss of a minibatch, a scalar, and detached metrics.

        Args:
            module: the networks.
            batch: columns of the minibatch, each (B, ...).
            coefficients: weights that change during training, and parameters outside of the networks.
        """


def trainable_parameters(module: nn.Module, coefficients: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return every tensor that requires a gradient: the module's parameters, then coefficients sorted by name."""
    parameters: list[torch.Tensor] = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return parameters + [coefficients[name] for name in sorted(coefficients) if coefficients[name].requires_grad]


def compute_gradients(
    loss_function: LossFunction,
    module: nn.Module,
    parameters: Sequence[torch.Tensor],
    batch: Tensors,
    coefficients: Tensors,
) -> Tensors:
    """Set the gradients of a minibatch and return its metrics.

    Args:
        loss_function: the loss to minimise.
        module: the networks.
        parameters: the result of ``trainable_parameters``.
        batch: columns of the minibatch, each (B, ...).
        coefficients: weights that change during training, and parameters outside of the networks.
    """
    for parameter in parameters:
        parameter.grad = None
    loss, metrics = loss_function(module, batch, coefficients)
    loss.backward()  # type: ignore[no-untyped-call]
    return metrics
