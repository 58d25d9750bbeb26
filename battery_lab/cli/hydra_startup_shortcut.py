"""Hydra startup shortcut: Hydra does not compose the configuration only to look for ``hydra.mode`` in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra._internal.hydra import Hydra

from battery_lab.config.conf_folder import conf_dir

HYDRA_VERSION = "1.3."  # the adapter is tested with it
# Groups that may set hydra.mode: sweeper=tune, launcher=ray and launcher=sagemaker do. Experiments may choose those.
GROUPS = ("experiment", "launcher", "sweep", "sweeper")
MULTIRUN = ("--multirun", "-m")
# A value, such as seed=1, battery.power_mw=5 or +env.more=1. A new top-level key may be a group of the user.
VALUE = re.compile(r"\w+|\+?\w+(\.\w+)+")


@contextmanager
def flags_decide_the_run_mode(arguments: Sequence[str]) -> Iterator[None]:
    """Have Hydra skip its first composition, which takes half a second.

    Hydra composes the configuration once to read ``hydra.mode``, and then again to run (``Hydra.get_mode``, 1.3). The
    lab's defaults do not set it, so Hydra reads nothing and then follows the flags. Nothing is changed unless every
    argument is known not to set it.

    Args:
        arguments: the arguments as Hydra reads them.
    """
    known = all(argument in MULTIRUN or _keeps_the_mode(argument) for argument in arguments)
    if not known or not hydra.__version__.startswith(HYDRA_VERSION):
        yield
        return
    original: Any = Hydra.get_mode
    Hydra.get_mode = _unset  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = original  # type: ignore[method-assign]


def _keeps_the_mode(override: str) -> bool:
    """Return whether an override is a value, or chooses options of the lab that do not set the mode."""
    key, equals, value = override.partition("=")
    # hydra.searchpath adds the user's files, and experiment@_global_ places options elsewhere.
    if not equals or "hydra" in override or "@" in override:
        return False
    name = key.removeprefix("+")
    group = conf_dir() / name
    if not group.is_dir():
        return VALUE.fullmatch(key) is not None
    options = value.strip("[]").split(",")
    return not {*name.split("/")} & {*GROUPS} and all(
        (group / f"{option.strip()}.yaml").is_file() for option in options
    )


def _unset(*_: object, **__: object) -> None:
    """Return what Hydra returns for a configuration without a mode."""
