"""Run mode of Hydra: single run or sweep, without composing the configuration only to look for ``hydra.mode``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra._internal.hydra import Hydra

HYDRA_VERSION = "1.3."  # the adapter is tested with it
KEY = "hydra.mode"
# What may set it: sweeper=tune, launcher=ray and launcher=sagemaker do. Others may choose them, or be the user's files.
GROUPS = ("sweeper", "launcher", "experiment")
FLAGS = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")
MAY_SET_IT = (*(f"{group}=" for group in GROUPS), *FLAGS)


@contextmanager
def flags_decide_the_run_mode(arguments: Sequence[str]) -> Iterator[None]:
    """Have Hydra skip its first composition, which takes half a second.

    Hydra composes the configuration once to read ``hydra.mode``, and then again to run (``Hydra.get_mode``, 1.3). The
    lab's defaults do not set it, so Hydra reads nothing and then follows the flags. Nothing is changed if an argument
    may set it.

    Args:
        arguments: the arguments as Hydra reads them.
    """
    named = any(KEY in argument or argument.lstrip("+").startswith(MAY_SET_IT) for argument in arguments)
    if named or not hydra.__version__.startswith(HYDRA_VERSION):
        yield
        return
    original: Any = Hydra.get_mode
    Hydra.get_mode = _unset  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = original  # type: ignore[method-assign]


def _unset(*_: object, **__: object) -> None:
    """Return what Hydra returns for a configuration without a mode."""
