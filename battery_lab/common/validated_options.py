"""Options: frozen dataclasses that check their own values (pydantic), with errors a user can act on.

A class below ``@options("battery")`` states each rule once, where the field stands::

    @options("battery")
    class Battery:
        power_mw: Annotated[float, Field(gt=0), Unit("MW")]

``Battery(power_mw=-1.0)`` raises ConfigError: *battery.power_mw must be greater than 0 MW, got -1.0*. Rules that
involve several fields are calls of ``errors.require`` in ``__post_init__``.
"""

from __future__ import annotations

import difflib
import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, cast, dataclass_transform, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo

from battery_lab.common.errors import ConfigError

T = TypeVar("T")

TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
_AT: ContextVar[str | None] = ContextVar("_AT", default=None)


@dataclass(frozen=True)
class Unit:
    """The unit of a field, for its error message: ``Annotated[float, Field(gt=0), Unit("MW")]``."""

    name: str


@dataclass(frozen=True)
class Rule:
    """What a field's value must be, in words, where its type and bounds do not say it: ``Rule("a region")``."""

    words: str


@dataclass(frozen=True)
class Highest:
    """An upper bound beyond what is of use, so that no number overflows: ``Annotated[float, Field(gt=0), Highest(9)]``.

    Errors name it only where a value exceeds it.
    """

    bound: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return the schema of the type, with the bound checked after all its other rules."""
        return AfterValidator(self._checked).__get_pydantic_core_schema__(source, handler)

    def _checked(self, value: Any) -> Any:
        if value > self.bound:
            raise _HighestError(f"at most {self.bound:,}")
        return value


class _HighestError(ValueError):
    """A value beyond ``Highest``; its text is the rule."""


class Secret:
    """Marks a field whose value must not appear in errors."""


def _whole_float_as_int(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The most steps of a budget or an interval: 11 days at a million per second.
MOST_STEPS = 1_000_000_000_000
# A whole number, which YAML may also write as 2e6.
Int = Annotated[int, BeforeValidator(_whole_float_as_int)]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def options(path: str) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen, keyword-only, validated dataclass.

    Args:
        path: the place of its fields in a configuration, such as ``battery``; errors start with it, unless ``at`` gives
            another place.

    Raises:
        ConfigError: when the class is called, if a value breaks a rule.
    """

    def decorate(cls: type[T]) -> type[T]:
        config = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False, extra="forbid")
        validated = pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)
        original = validated.__init__
        fields = _fields(validated)
        tuples = {
            name for name, field in fields.items() if any(get_origin(kind) is tuple for kind in _unfold(field)[0])
        }

        @functools.wraps(original)
        def __init__(self: T, **values: Any) -> None:  # noqa: N807
            # YAML has lists only.
            values |= {name: tuple(values[name]) for name in tuples if isinstance(values.get(name), list)}
            try:
                original(self, **values)
            except ValidationError as error:
                raise config_error(type(self), _AT.get() or path, values, error) from None

        validated.__init__ = __init__  # type: ignore[method-assign, assignment]
        return cast(type[T], validated)

    return decorate


@contextmanager
def at(path: str) -> Iterator[None]:
    """Within this context, errors place the fields of options below ``path`` in the configuration."""
    token = _AT.set(path)
    try:
        yield
    finally:
        _AT.reset(token)


def _fields(cls: type) -> dict[str, FieldInfo]:
    return cast(dict[str, FieldInfo], cls.__pydantic_fields__)  # type: ignore[attr-defined]


def config_error(cls: type, path: str, values: dict[str, Any], error: ValidationError) -> ConfigError:
    """Return the first error of a validation as one that names the field, the rule and the value."""
    # A misspelt option is also a missing one; its own name says more.
    first = min(error.errors(include_url=False), key=lambda item: item["type"] != "unexpected_keyword_argument")
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, ConfigError):
        return raised
    fields = _fields(cls)
    name = str(first["loc"][0]) if first["loc"] else ""
    place = f"{path}.{name}" if name else path
    if name in fields and name not in values:
        return ConfigError(f"{place} is missing: {cls.__name__} needs it, so set it in the YAML of {path}")
    if name and name not in fields:
        close = difflib.get_close_matches(name, fields, n=1)
        hint = f"; did you mean {path}.{close[0]}?" if close else ""
        return ConfigError(f"{place} is not an option of {cls.__name__}, which has {', '.join(sorted(fields))}{hint}")
    if isinstance(raised, _HighestError) and name in fields:
        return ConfigError(f"{place} must be {raised}{_unit(fields[name])}, got {values[name]!r}")
    worded = name in fields and any(isinstance(item, Rule) for item in _unfold(fields[name])[1])
    if not name or (raised is not None and not worded):
        return ConfigError(f"{place}: {raised or first['msg']}, got {first['input']!r}")
    if len(first["loc"]) > 1 and isinstance(values[name], Mapping):
        key, *of_key = first["loc"][1:]
        kinds = next(get_args(kind) for kind in _unfold(fields[name])[0] if get_args(kind))
        if of_key == ["[key]"]:
            return ConfigError(f"{place}: a name must be {rule(kinds[0])}, got {key!r}")
        return ConfigError(f"{place}.{key} must be {rule(kinds[1])}, got {first['input']!r}")
    if first["type"] == "at_most":
        return ConfigError(
            f"{place} must be at most {first['ctx']['bound']}{_unit(fields[name])}, got {values[name]!r}"
        )
    is_secret = any(isinstance(item, Secret) for item in _unfold(fields[name])[1])
    return ConfigError(f"{place} must be {rule(fields[name])}" + ("" if is_secret else f", got {values[name]!r}"))


def rule(field: Any) -> str:
    """Return what the value of a field or a type must be, such as ``greater than 0 MW`` or ``true or false``."""
    kinds, metadata = _unfold(field)
    limits = {
        name: value
        for item in metadata
        for name in ("gt", "ge", "lt", "le", "min_length", "max_length")
        if (value := getattr(item, name, None)) is not None
    }
    bounds = {name: value for name, value in limits.items() if not name.endswith("length")}
    unit = _unit(field)
    null = " or null" if type(None) in kinds else ""
    for item in metadata:
        if isinstance(item, Rule):
            return f"{item.words}{null}"
    if bounds and not any(get_args(kind) for kind in kinds):
        span = _range(bounds)
        comma = "" if span.startswith("from") else ","
        return f"{f'a whole number{comma} ' if int in kinds else ''}{span}{unit}{null}"
    return " or ".join(dict.fromkeys(_kind(kind, limits) for kind in kinds))


def _unit(field: Any) -> str:
    return next((f" {item.name}" for item in _unfold(field)[1] if isinstance(item, Unit)), "")


def _kind(kind: Any, limits: Mapping[str, Any]) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    inner = get_args(kind)
    if inner and get_origin(kind) in (list, tuple, Sequence):
        return f"a list{_length(limits)}, each item {rule(inner[0])}"
    if get_origin(kind) in (dict, Mapping):
        return f"a mapping{_length(limits)}"
    return TYPES.get(kind, f"a {getattr(kind, '__name__', kind)}")


def _length(limits: Mapping[str, Any]) -> str:
    low, high = limits.get("min_length"), limits.get("max_length")
    if low is None:
        return "" if high is None else f" of at most {high}"
    if low == high:
        return f" of {low}"
    return f" of at least {low}" if high is None else f" of {low} to {high}"


def _unfold(annotation: Any) -> tuple[list[Any], list[Any]]:
    """Return the alternatives of a type, and all metadata of them."""
    if isinstance(annotation, FieldInfo):
        kinds, metadata = _unfold(annotation.annotation) if annotation.annotation else ([], [])
        return kinds, [*metadata, *annotation.metadata]
    if get_origin(annotation) is Annotated:
        inner, *around = get_args(annotation)
        kinds, metadata = _unfold(inner)
        return kinds, [*metadata, *(part for item in around for part in getattr(item, "metadata", [item]))]
    if get_origin(annotation) in (Union, types.UnionType):
        both = [_unfold(part) for part in get_args(annotation)]
        return [kind for kinds, _ in both for kind in kinds], [item for _, items in both for item in items]
    return [annotation], []


def _range(bounds: dict[str, Any]) -> str:
    text = {name: str(bound) if isinstance(bound, int) else f"{bound:g}" for name, bound in bounds.items()}
    low, high = text.get("ge", text.get("gt")), text.get("le", text.get("lt"))
    if low is None:
        return f"{high} or less" if "le" in bounds else f"less than {high}"
    if high is None:
        return f"{low} or more" if "ge" in bounds else f"greater than {low}"
    if "ge" in bounds:
        return f"from {low} to {high}" if "le" in bounds else f"from {low} to less than {high}"
    return f"greater than {low} and {'at most' if 'le' in bounds else 'less than'} {high}"
