"""Traced programs: the gradients of a minibatch as one function of tensors, which can be compiled."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ray
import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors

HASHED_TYPES = (int, float, str, bool, tuple, slice)
HASHED_FOLDERS = ("rllib", "networks", "algos")


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


def batch_signature(batch: Tensors) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    """Return name, shape and dtype of each column of a minibatch."""
    return [(name, tuple(batch[name].shape), batch[name].dtype) for name in sorted(batch)]


def program_key(
    loss_function: LossFunction, module: nn.Module, batch: Tensors, coefficients: Tensors, threads: int
) -> str:
    """Return a hash of everything that shapes the compiled program.

    That is the loss, the module, the signature of all tensors, the lab's sources, the versions of torch and Ray, the
    processor and the number of threads.
    """
    hasher = hashlib.sha256()
    package = Path(__file__).parents[2]
    for folder in HASHED_FOLDERS:
        for source in sorted((package / folder).rglob("*.py")):
            hasher.update(source.read_bytes())
    for part in module.modules():
        # repr() of a module shows only the options that its author chose to print.
        options = {name: value for name, value in vars(part).items() if isinstance(value, HASHED_TYPES)}
        hasher.update(repr((type(part).__qualname__, sorted(options.items()))).encode())
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers()), **coefficients, **batch}
    signature = [(name, tuple(t.shape), str(t.dtype), t.requires_grad) for name, t in tensors.items()]
    machine = (torch.__version__, ray.__version__, _processor(), threads)
    hasher.update(repr((loss_function, str(module), signature, machine)).encode())
    return hasher.hexdigest()[:32]


@cache
def _processor() -> str:
    """Return the processor's model and instruction sets, which a compiled program depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    fields = [next((line for line in lines if line.startswith(name)), "") for name in ("model name", "flags")]
    return " ".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *fields])
