"""Gradient program: the gradients of a minibatch, without the optimizer, as a function of tensors to compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors


class GradientProgram:
    """Gradients and metrics of a minibatch as one function of flat lists of tensors.

    Attributes:
        metric_names: sorted names of the metrics; empty until the program has run.
    """

    def __init__(self, loss_function: LossFunction, module: nn.Module) -> None:
        self._loss_module = _LossModule(module, loss_function)
        state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self._names, self._state = list(state), list(state.values())
        self.metric_names: list[str] = []

    def arguments(self, batch: Tensors, coefficients: Tensors) -> list[list[torch.Tensor]]:
        """Return the arguments of a call: tensors of the module, of the coefficients and of the batch."""
        return [self._state, *[[group[name] for name in sorted(group)] for group in (coefficients, batch)]]

    def __call__(self, names: Sequence[Sequence[str]], *arguments: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradients of all trainable parameters, then the metrics.

        Args:
            names: sorted names of the coefficients, and of the batch's columns.
            arguments: the three lists from ``arguments``.
        """
        state, *groups = arguments
        coefficients, batch = (dict(zip(keys, group, strict=True)) for keys, group in zip(names, groups, strict=True))
        tensors = {f"module.{name}": tensor for name, tensor in zip(self._names, state, strict=True)}
        loss, metrics = torch.func.functional_call(self._loss_module, tensors, (batch, coefficients))
        parameters = [tensor for tensor in [*state, *groups[0]] if tensor.requires_grad]
        gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
        self.metric_names = sorted(metrics)
        # backward() leaves contiguous gradients; autograd.grad() may return transposed ones.
        return [*[g.contiguous() for g in gradients], *[metrics[name] for name in self.metric_names]]


class _LossModule(nn.Module):
    def __init__(self, module: nn.Module, loss_function: LossFunction) -> None:
        super().__init__()
        self.module = module
        self._loss_function = loss_function

    def forward(self, batch: Tensors, coefficients: Tensors) -> Any:
        return self._loss_function(self.module, batch, coefficients)
