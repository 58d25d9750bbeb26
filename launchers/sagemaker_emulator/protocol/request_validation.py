"""Requests against the service's own model, as botocore carries it: what is required, known, and how long or large.

Neither botocore's client nor moto enforces enumerations, patterns or upper bounds; the service does.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session

from sagemaker_emulator.protocol.responses import AwsError, invalid

_SHOWN = 200  # characters of a wrong value
_JAVA_CLASSES = {
    "Alnum": "A-Za-z0-9",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "ASCII": "\\x00-\\x7f",
    "Print": "\\x20-\\x7e",
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "structure": dict,
    "list": list,
    "map": dict,
}


def check(service: str, operation: str, parameters: Any) -> None:
    """Refuse parameters that the model of an operation does not allow; an unknown operation passes.

    Raises:
        AwsError: ``ValidationException`` with every mistake, in the service's words.
    """
    model = _model(service)
    if operation not in model.operation_names:
        return
    shape = model.operation_model(operation).input_shape
    mistakes = list(_mistakes(shape, parameters, "")) if shape is not None else []
    if mistakes:
        many = "s" * (len(mistakes) > 1)
        raise invalid(f"{len(mistakes)} validation error{many} detected: {'; '.join(mistakes)}")


def members(service: str, shape: str) -> list[str]:
    """Return the names that a structure of a service's model has."""
    return list(_model(service).shape_for(shape).members)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _mistakes(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    wanted = _KINDS.get(kind)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean")):
        raise AwsError("SerializationException", f"'{path}' must be of type {kind}, not {type(value).__name__}")
    yield from _of_size(shape, value, path)
    if kind == "string":
        yield from _of_text(shape, value, path)
    elif kind == "structure":
        yield from _of_structure(shape, value, path)
    elif kind == "list":
        for number, item in enumerate(value, 1):
            yield from _mistakes(shape.member, item, f"{path}.{number}.member")
    elif kind == "map":
        for name, item in value.items():
            yield from _mistakes(shape.key, name, f"{path}.key")
            yield from _mistakes(shape.value, item, f"{path}.{name}.member")


def _of_structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fails(None, _below(path, name), "Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            yield f"Unknown parameter '{path}.{name}'" if path else f"Unknown parameter '{name}'"
        elif item is not None:
            yield from _mistakes(shape.members[name], item, _below(path, name))


def _of_size(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in ("string", "list", "map"):
        size, what = len(value), "length"
    elif shape.type_name in ("integer", "long", "float", "double"):
        size, what = value, "value"
    else:
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _fails(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _fails(value, path, f"Member must have {what} less than or equal to {high}")


def _of_text(shape: Any, value: str, path: str) -> Iterator[str]:
    allowed, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
    if allowed and value not in allowed:
        yield _fails(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _fails(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _fails(value: Any, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:_SHOWN]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


def _below(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of Java's; the few of the model that Python cannot read allow everything."""
    try:
        return re.compile(_without_java_classes(pattern))
    except re.error:
        return re.compile(".*", re.DOTALL)


def _without_java_classes(pattern: str) -> str:
    r"""Write out classes such as \p{L}, which Python does not know; one outside brackets gets brackets."""
    written, depth, at = "", 0, 0
    for found in re.finditer(r"\\p\{(\w+)\}|\\.|[\[\]]", pattern):
        written += pattern[at : found.start()]
        at = found.end()
        if found[1]:
            characters = _characters(found[1])
            written += characters if depth else f"[{characters}]"
            continue
        depth = 1 if found[0] == "[" else 0 if found[0] == "]" else depth
        written += found[0]
    return written + pattern[at:]


@cache
def _characters(name: str) -> str:
    """Return the characters of a class, as they stand between brackets."""
    if name in _JAVA_CLASSES:
        return _JAVA_CLASSES[name]
    ranges, start = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges)
