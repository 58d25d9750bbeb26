"""From a loss to gradients: by autograd, or by a compiled program that does all of it in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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


class Program:
    """Gradients and figures as one function of flat lists of tensors, which can be traced and compiled.

    Attributes:
        figures: the names of the figures; known once it ran.
    """

    def __init__(self, losses: Losses, module: nn.Module) -> None:
        """Remember the losses and the networks whose tensors become arguments."""
        self._applied = _Applied(module, losses)
        state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self._names, self._state = list(state), list(state.values())
        self.figures: list[str] = []

    def arguments(self, batch: Tensors, coefficients: Tensors) -> list[list[torch.Tensor]]:
        """Return what the program is called with."""
        return [self._state, *[[group[name] for name in sorted(group)] for group in (coefficients, batch)]]

    def __call__(self, names: Sequence[Sequence[str]], *arguments: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradients of all that is trained, then the figures.

        Args:
            names: of the coefficients and of the batch's columns, sorted.
            arguments: the tensors of the networks, of the coefficients and of the batch.
        """
        state, *groups = arguments
        coefficients, batch = (dict(zip(keys, group, strict=True)) for keys, group in zip(names, groups, strict=True))
        tensors = {f"module.{name}": tensor for name, tensor in zip(self._names, state, strict=True)}
        loss, figures = torch.func.functional_call(self._applied, tensors, (batch, coefficients))
        wanted = [tensor for tensor in [*state, *groups[0]] if tensor.requires_grad]
        gradients = torch.autograd.grad(loss, wanted, materialize_grads=True)
        self.figures = sorted(figures)
        return [*gradients, *[figures[name] for name in self.figures]]


class _Applied(nn.Module):
    def __init__(self, module: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.module = module
        self._losses = losses

    def forward(self, batch: Tensors, coefficients: Tensors) -> Any:
        return self._losses(self.module, batch, coefficients)
