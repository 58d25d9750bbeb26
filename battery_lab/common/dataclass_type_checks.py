"""Type checks of plain dataclasses: names and plain types of their values, as for classes with ``options``.

A class that a YAML file names need not use ``options``. Its fields of plain types, such as numbers, text and lists of
them, are checked; the class checks other rules itself.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from battery_lab.common.validated_options import Int, config_error


def checked_values(cls: type, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values for a plain dataclass; whole numbers written as floats, such as 2e6, become int.

    Args:
        cls: the dataclass.
        path: its place in a configuration, for errors.
        values: the values of the fields, by name.

    Raises:
        ConfigError: a field is unknown or missing, or a value has another type.
    """
    shadow = _shadow(cls)
    try:
        checked = shadow(**values)
    except ValidationError as error:
        raise config_error(shadow, path, dict(values), error) from None
    return {name: getattr(checked, name) for name in values}


@functools.cache
def _shadow(cls: type) -> type:
    """Return a class with the same fields that checks its values, so that the class itself stays as it is."""
    fields = [(field.name, _checked_type(cls, field)) for field in dataclasses.fields(cls) if field.init]
    config = ConfigDict(strict=True, arbitrary_types_allowed=True, extra="forbid")
    return pydantic_dataclass(config=config)(dataclasses.make_dataclass(cls.__name__, fields, kw_only=True))


def _checked_type(cls: type, field: dataclasses.Field[Any]) -> Any:
    """Return the type that is checked: the field's if it is plain; Any otherwise."""
    annotation: Any = field.type
    if isinstance(annotation, str):
        owner = next(base for base in cls.__mro__ if field.name in base.__dict__.get("__annotations__", ()))
        try:
            annotation = eval(annotation, dict(vars(sys.modules[owner.__module__])))
        except Exception:  # A name that is imported for type checkers only.
            return Any
    return _plain(annotation)


def _plain(kind: Any) -> Any:
    if kind is int:
        return Int
    if kind in (float, bool, str, None, NoneType) or get_origin(kind) is Literal:
        return kind
    inner = [_plain(item) for item in get_args(kind) if item is not Ellipsis]
    if not inner or Any in inner:
        return Any
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(inner)]  # noqa: UP007
    # YAML has lists only.
    return Sequence[inner[0]] if get_origin(kind) in (list, tuple, Sequence) else Any  # type: ignore[valid-type]
