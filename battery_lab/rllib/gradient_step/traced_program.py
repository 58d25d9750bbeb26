"""The gradients of a step as one function of tensors, which can be traced, compiled and told apart from others."""

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

from battery_lab.rllib.gradient_step.autograd import Losses, Tensors

PLAIN = (int, float, str, bool, tuple, slice)


class Program:
    """Gradients and figures as one function of flat lists of tensors.

    Attributes:
        figures: the names of the figures; known once it ran.
    """

    def __init__(self, losses: Losses, module: nn.Module) -> None:
        """Remember the losses, and the networks whose tensors become arguments."""
        self._applied = _Applied(module, losses)
        state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self._names, self._state = list(state), list(state.values())
        self.figures: list[str] = []

    def arguments(self, batch: Tensors, coefficients: Tensors) -> list[list[torch.Tensor]]:
        """Return what the program is called with."""
        return [self._state, *[[group[name] for name in sorted(group)] for group in (coefficients, batch)]]

    def __call__(self, names: Sequence[Sequence[str]], *arguments: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradients of all that is trained, and then the figures.

        Args:
            names: of the coefficients and of the batch's columns, sorted.
            arguments: the tensors of the networks, of the coefficients and of the batch.
        """
        state, *groups = arguments
        coefficients, batch = (dict(zip(keys, group, strict=True)) for keys, group in zip(names, groups, strict=True))
        tensors = {f"module.{name}": tensor for name, tensor in zip(self._names, state, strict=True)}
        loss, figures = torch.func.functional_call(self._applied, tensors, (batch, coefficients))
        wanted = [tensor for tensor in [*state, *groups[0]] if tensor.requires_grad]
        found = torch.autograd.grad(loss, wanted, materialize_grads=True)
        # As backward() leaves them, whatever order a product made them in.
        gradients = [gradient.contiguous() for gradient in found]
        self.figures = sorted(figures)
        return [*gradients, *[figures[name] for name in self.figures]]


class _Applied(nn.Module):
    def __init__(self, module: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.module = module
        self._losses = losses

    def forward(self, batch: Tensors, coefficients: Tensors) -> Any:
        return self._losses(self.module, batch, coefficients)


def shapes(batch: Tensors) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    """Return the shapes and types of a minibatch's columns."""
    return [(name, tuple(batch[name].shape), batch[name].dtype) for name in sorted(batch)]


def program_key(losses: Losses, module: nn.Module, batch: Tensors, coefficients: Tensors, threads: int) -> str:
    """Return a name for the program that these make on this machine, with these sources and for so many threads."""
    hasher = hashlib.sha256()
    package = Path(__file__).parents[2]
    for room in ("rllib", "networks", "algos"):
        for source in sorted((package / room).rglob("*.py")):
            hasher.update(source.read_bytes())
    for part in module.modules():
        # What a network was set up with, of which its printed form says only what its authors chose.
        plain = {name: value for name, value in vars(part).items() if isinstance(value, PLAIN)}
        hasher.update(repr((type(part).__qualname__, sorted(plain.items()))).encode())
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers()), **coefficients, **batch}
    signature = [(name, tuple(t.shape), str(t.dtype), t.requires_grad) for name, t in tensors.items()]
    machine = (torch.__version__, ray.__version__, _processor(), threads)
    hasher.update(repr((losses, str(module), signature, machine)).encode())
    return hasher.hexdigest()[:32]


@cache
def _processor() -> str:
    """Return what a program that is compiled for this processor asks of another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = [next((line for line in lines if line.startswith(name)), "") for name in ("model name", "flags")]
    return " ".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *told])
