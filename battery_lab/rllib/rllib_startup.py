"""RLlib startup: shortcuts around two calls that add seconds to the start of every trial.

Both replace a name in a module of RLlib. Their tests compare the results with RLlib's own, and fail if a new version
no longer has these names.
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
from ray.rllib.utils import torch_utils
from ray.rllib.utils.debug import deterministic

RAY_VERSION = "2.60."  # the shortcuts are tested with it
INDUCTOR_CONFIG = "torch._inductor.config"


def shorten_startup() -> None:
    """Install both shortcuts in this process, unless Ray has another version."""
    if not ray.__version__.startswith(RAY_VERSION):
        return
    deterministic.set_torch_seed = set_torch_seed
    connector_v2.inspect = SimpleNamespace(**vars(inspect) | {"stack": _caller_frames})


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
