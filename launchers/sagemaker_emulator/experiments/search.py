"""Search for training jobs and trial components: filters, sorting and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sagemaker_emulator.protocol.responses_and_errors import invalid, not_modelled
from sagemaker_emulator.protocol.service_model_validation import members

PAGE = 10  # results, if a request has no MaxResults
KINDS = {"TrainingJob": "TrainingJob", "ExperimentTrialComponent": "TrialComponent"}  # resource -> structure
_EXTRA_PROPERTIES = ("Tags", "Parents", "Metrics")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda value, bound: value > bound,
    "GreaterThanOrEqualTo": lambda value, bound: value >= bound,
    "LessThan": lambda value, bound: value < bound,
    "LessThanOrEqualTo": lambda value, bound: value <= bound,
}


def search(parameters: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer Search.

    Args:
        parameters: the parameters of the request; Resource is one of ``KINDS``.
        documents: descriptions of all resources of that kind.

    Raises:
        AwsError: a property, an operator or the token is invalid.
    """
    kind = KINDS[parameters["Resource"]]
    expression = parameters.get("SearchExpression") or {}
    matching = [document for document in documents if _matches(expression, document, kind)]
    sort_by = parameters.get("SortBy", "LastModifiedTime")
    _check_property(sort_by, kind)
    matching = in_order(matching, sort_by, descending=parameters.get("SortOrder", "Descending") == "Descending")
    page, token = paged(matching, parameters)
    results = [{kind: document} for document in page]
    return {"Results": results} | ({"NextToken": token} if token else {})


def in_order(documents: Iterable[Mapping[str, Any]], name: str, *, descending: bool) -> list[Mapping[str, Any]]:
    """Sort by a property; documents without it come last in both orders."""
    keyed = [(values_of(document, name), document) for document in documents]
    present = sorted((pair for pair in keyed if pair[0]), key=lambda pair: _sortable(pair[0][0]), reverse=descending)
    return [document for _, document in present] + [document for values, document in keyed if not values]


def paged(results: Sequence[Any], parameters: Mapping[str, Any]) -> tuple[Sequence[Any], str | None]:
    """Return the requested page and the token of the next one.

    Raises:
        AwsError: NextToken is invalid.
    """
    start = 0
    if token := parameters.get("NextToken"):
        try:
            start = int(base64.b64decode(token, validate=True).decode().removeprefix("from "))
        except (binascii.Error, ValueError):
            raise invalid(f"Invalid pagination token: {token}") from None
    end = start + parameters.get("MaxResults", PAGE)
    return results[start:end], base64.b64encode(f"from {end}".encode()).decode() if end < len(results) else None


def values_of(content: Any, name: str) -> list[Any]:
    """Return the values of a property; its name may contain dots and is not case-sensitive.

    ``Metrics.<name>.<statistic>``, ``Tags.<key>`` and ``Parameters.<name>`` name items of lists and maps.
    """
    head, _, rest = name.partition(".")
    if isinstance(content, list):
        return [value for item in content for value in values_of(item, name)]
    if not isinstance(content, Mapping):
        return []
    value = _get(content, name)
    if value is not None:
        return [_plain(value)]
    inner = _get(content, head)
    if inner is None or not rest:
        return []
    if head.lower() == "tags":
        return [tag["Value"] for tag in inner if tag["Key"] == rest]
    if head.lower() == "metrics":
        metric, _, statistic = rest.rpartition(".")
        return [
            value for summary in inner if summary["MetricName"] == metric for value in values_of(summary, statistic)
        ]
    if head.lower() == "finalmetricdatalist":
        return [metric["Value"] for metric in inner if metric["MetricName"] == rest]
    return values_of(inner, rest)


def _get(content: Mapping[str, Any], name: str) -> Any:
    if name in content:
        return content[name]
    return next((value for key, value in content.items() if key.lower() == name.lower()), None)


def _plain(value: Any) -> Any:
    """Return the value of a parameter without the name of its type."""
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in ("NumberValue", "StringValue"):
        return next(iter(value.values()))
    return value


def _matches(expression: Mapping[str, Any], document: Mapping[str, Any], kind: str) -> bool:
    if expression.get("NestedFilters"):
        raise not_modelled("NestedFilters of Search")
    results = [_passes(condition, document, kind) for condition in expression.get("Filters") or []]
    results += [_matches(part, document, kind) for part in expression.get("SubExpressions") or []]
    return any(results) if expression.get("Operator") == "Or" and results else all(results)


def _passes(condition: Mapping[str, str], document: Mapping[str, Any], kind: str) -> bool:
    name, operator, operand = condition["Name"], condition.get("Operator", "Equals"), condition.get("Value")
    _check_property(name, kind)
    values = values_of(document, name)
    if operator in ("Exists", "NotExists"):
        return bool(values) == (operator == "Exists")
    if operand is None:
        raise invalid(f"Filter on {name} with operator {operator} needs a Value.")
    if operator == "NotEquals":
        return not any(_text(value) == operand for value in values)
    return any(_compares(value, operator, operand) for value in values)


def _compares(value: Any, operator: str, operand: str) -> bool:
    if operator == "Equals":
        return _text(value) == operand or (isinstance(value, int | float) and _number(operand) == value)
    if operator == "Contains":
        return operand in _text(value)
    if operator == "In":
        return _text(value) in operand.split(",")
    if isinstance(value, datetime):
        value, bound = value.timestamp(), _timestamp(operand)
    else:
        bound = _number(operand)
    return isinstance(value, int | float) and bound is not None and _ORDERED[operator](value, bound)


def _check_property(name: str, kind: str) -> None:
    known = {member.lower() for member in (*members("sagemaker", kind), *_EXTRA_PROPERTIES)}
    if name.partition(".")[0].lower() not in known:
        raise invalid(f"Unknown property name: {name}")


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _timestamp(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return _number(text)


def _sortable(value: Any) -> tuple[int, Any]:
    """Return a key that puts numbers and times before text, with which they cannot be compared."""
    if isinstance(value, datetime):
        return 0, value.timestamp()
    return (0, value) if isinstance(value, int | float) else (1, str(value))
