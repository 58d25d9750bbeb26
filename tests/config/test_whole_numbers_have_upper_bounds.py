"""Bounds of numbers: every whole number of an option has an upper bound, so that none can overflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from hydra.utils import get_class

from battery_lab.common.validated_options import Highest
from battery_lab.config.conf_folder import conf_dir

TARGETS = sorted(
    {
        target
        for file in conf_dir().rglob("*.yaml")
        for target in re.findall(r"_target_: (battery_lab\.[\w.]+)", file.read_text())
    }
)


def whole_numbers(kind: Any, around: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the metadata of each whole number in a type."""
    if kind is int:
        yield around
    elif get_origin(kind) is Annotated:
        inner, *own = get_args(kind)
        flat = [part for item in own for part in getattr(item, "metadata", [item])]
        yield from whole_numbers(inner, (*around, *flat))
    elif get_origin(kind) is not None:
        for inner in get_args(kind):
            yield from whole_numbers(inner, around)


def is_bounded(metadata: tuple[Any, ...]) -> bool:
    return any(isinstance(item, Highest) or hasattr(item, "le") or hasattr(item, "lt") for item in metadata)


@pytest.mark.parametrize("target", TARGETS)
def test_every_whole_number_of_an_option_has_an_upper_bound(target: str):
    fields = getattr(get_class(target), "__pydantic_fields__", {})
    unbounded = [
        name
        for name, field in fields.items()
        for metadata in whole_numbers(field.annotation, tuple(field.metadata))
        # The rule of ActionSet bounds action_levels: an odd number from 3 to 201. What where holds is compared as text.
        if not is_bounded(metadata)
        and name != "where"
        and (target, name) != ("battery_lab.envs.battery.environment.BatteryMarket", "action_levels")
    ]
    assert unbounded == []


def test_an_unbounded_whole_number_is_found():
    assert list(whole_numbers(Annotated[int, Highest(3)] | None)) == [(Highest(3),)]
    assert not is_bounded(next(whole_numbers(list[int])))
