"""Startup shortcuts of RLlib: replacements of calls that add seconds to the start of every trial.

They replace names in RLlib's modules, and keep optimizers from importing torch's compiler. Their tests compare the
results with those of the originals, and fail if a new version no longer has these names.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import ray
import torch
from ray.rllib.connectors import connector_v2
from ray.rllib.env import env_runner_group
from ray.rllib.utils import torch_utils
from ray.rllib.utils.debug import deterministic

RAY_VERSION, TORCH_VERSION = "2.60.", "2.13."  # the shortcuts are tested with these
INDUCTOR_CONFIG, DYNAMO = "torch._inductor.config", "torch._dynamo"
DYNAMO_WRAPPER = "_disable_dynamo.<locals>.inner"


def shorten_startup() -> bool:
    """Install all shortcuts in this process, and return whether Ray has the version that they are for."""
    if not ray.__version__.startswith(RAY_VERSION):
        return False
    deterministic.set_torch_seed = set_torch_seed
    connector_v2.inspect = SimpleNamespace(**vars(inspect) | {"stack": _caller_frames})
    env_runner_group.ray = SimpleNamespace(**vars(ray) | {"put": _put})
    _keep_optimizers_from_dynamo()
    return True


def _put(value: Any) -> Any:
    """Store a value for env runners in other processes; without Ray, there are none."""
    return ray.put(value) if ray.is_initialized() else value


def _keep_optimizers_from_dynamo() -> None:
    """Keep methods of optimizers from importing torch's tracing compiler, which takes 2 s.

    ``torch.compile`` must not trace these methods. Therefore torch wraps them (``torch._compile``, 2.13): a call looks
    up the wrapped function's ``__dynamo_disable``, and if there is none, imports the compiler to make one. This process
    never calls ``torch.compile``, so each function can be its own.
    """
    if not torch.__version__.startswith(TORCH_VERSION) or DYNAMO in sys.modules:
        return
    for method in vars(torch.optim.Optimizer).values():
        if getattr(getattr(method, "__code__", None), "co_qualname", "") == DYNAMO_WRAPPER:
            setattr(method.__wrapped__, "__dynamo_disable", method.__wrapped__)  # noqa: B010  (mangled otherwise)


def set_torch_seed(seed: int | None = None) -> None:
    """Seed torch as RLlib does, but without the import of torch's compiler, which takes more than 2 s."""
    with _light_deterministic_algorithms():
        torch_utils.set_torch_seed(seed)


@contextmanager
def _light_deterministic_algorithms() -> Iterator[None]:
    original = torch.use_deterministic_algorithms

    def use(mode: bool, *, warn_only: bool = False) -> None:
        if INDUCTOR_CONFIG in sys.modules:
            original(mode, warn_only=warn_only)
        else:
            # All that the original does beside the compiler's options. Nothing is compiled in this process.
            torch._C._set_deterministic_algorithms(mode, warn_only=warn_only)

    torch.use_deterministic_algorithms = use
    try:
        yield
    finally:
        torch.use_deterministic_algorithms = original


def _caller_frames() -> list[Any]:
    """Return the two frames that RLlib's connectors need; ``inspect.stack`` loads the source of every frame."""
    frame = sys._getframe(1)
    return [SimpleNamespace(frame=frame), SimpleNamespace(frame=frame.f_back)]
