"""RLlib startup: shortcuts around calls that add seconds to the start of every trial.

They replace names in modules of RLlib, and the import of torch's compiler by optimizers. Their tests compare the
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

RAY_VERSION = "2.60."  # the shortcuts are tested with it
INDUCTOR_CONFIG, DYNAMO = "torch._inductor.config", "torch._dynamo"


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
    """Mark the methods of optimizers as known to torch's tracing compiler, which they would import for 2 s.

    They are wrapped (``torch._compile``, 2.13) so that ``torch.compile`` leaves them out, which this process never
    calls: the wrapper looks for the wrapped function's ``__dynamo_disable``, and imports the compiler if it has none.
    """
    if DYNAMO in sys.modules:
        return
    for method in vars(torch.optim.Optimizer).values():
        original = getattr(method, "__wrapped__", None)
        if original is not None and not hasattr(original, "__dynamo_disable"):
            setattr(original, "__dynamo_disable", original)  # noqa: B010  (a name that Python would mangle)


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
