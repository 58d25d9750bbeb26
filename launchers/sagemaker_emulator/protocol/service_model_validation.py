"""Validation of requests against botocore's model of the service: required and unknown members, limits, patterns.

Neither botocore's client nor moto checks enumerations, patterns and upper bounds; the service does.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session

from sagemaker_emulator.protocol.responses_and_errors import AwsError, invalid

_SHOWN = 200  # characters of an invalid value
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


def validate(service: str, operation: str, parameters: Any) -> None:
    """Check the parameters of an operation against its model; unknown operations pass.

    Raises:
        AwsError: ``ValidationException`` with all violations, in the service's words.
    """
    model = _model(service)
    if operation not in model.operation_names:
        return
    shape = model.operation_model(operation).input_shape
    violations = list(_violations(shape, parameters, "")) if shape is not None else []
    if violations:
        many = "s" * (len(violations) > 1)
        raise invalid(f"{len(violations)} validation error{many} detected: {'; '.join(violations)}")


def members(service: str, shape: str) -> list[str]:
    """Return the names of the members of a structure in a service's model."""
    return list(_model(service).shape_for(shape).members)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    expected = _KINDS.get(kind)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean")):
        raise AwsError("SerializationException", f"'{path}' must be of type {kind}, not {type(value).__name__}")
    yield from _size_violations(shape, value, path)
    if kind == "string":
        yield from _text_violations(shape, value, path)
    elif kind == "structure":
        yield from _structure_violations(shape, value, path)
    elif kind == "list":
        for number, item in enumerate(value, 1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    elif kind == "map":
        for name, item in value.items():
            yield from _violations(shape.key, name, f"{path}.key")
            yield from _violations(shape.value, item, f"{path}.{name}.member")


def _structure_violations(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _violation(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            yield f"Unknown parameter '{path}.{name}'" if path else f"Unknown parameter '{name}'"
        elif item is not None:
            yield from _violations(shape.members[name], item, _join(path, name))


def _size_violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in ("string", "list", "map"):
        size, measure = len(value), "length"
    elif shape.type_name in ("integer", "long", "float", "double"):
        size, measure = value, "value"
    else:
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _violation(value, path, f"Member must have {measure} greater than or equal to {low}")
    if high is not None and size > high:
        yield _violation(value, path, f"Member must have {measure} less than or equal to {high}")


def _text_violations(shape: Any, value: str, path: str) -> Iterator[str]:
    allowed, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
    if allowed and value not in allowed:
        yield _violation(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _violation(value: Any, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:_SHOWN]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a Java pattern; the few that Python cannot read allow everything."""
    try:
        return re.compile(_without_java_classes(pattern))
    except re.error:
        return re.compile(".*", re.DOTALL)


def _without_java_classes(pattern: str) -> str:
    r"""Expand classes such as \p{L}, which Python does not support; adds brackets around one that has none."""
    expanded, depth, position = "", 0, 0
    for match in re.finditer(r"\\p\{(\w+)\}|\\.|[\[\]]", pattern):
        expanded += pattern[position : match.start()]
        position = match.end()
        if match[1]:
            characters = _characters(match[1])
            expanded += characters if depth else f"[{characters}]"
            continue
        depth = 1 if match[0] == "[" else 0 if match[0] == "]" else depth
        expanded += match[0]
    return expanded + pattern[position:]


@cache
def _characters(name: str) -> str:
    """Return the characters of a class, in the notation between brackets."""
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
