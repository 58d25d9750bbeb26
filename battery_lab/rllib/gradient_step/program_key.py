"""Program key: the hash that names a compiled program in the cache, and the signature of a minibatch."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

import ray
import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors

HASHED_TYPES = (int, float, str, bool, tuple, slice)
HASHED_FOLDERS = ("rllib", "networks", "algos")


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
