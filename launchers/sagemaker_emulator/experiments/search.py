"""Search, over training jobs and trial components: filters, sorting and pages as the service has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sagemaker_emulator.protocol.request_validation import members
from sagemaker_emulator.protocol.responses import invalid, not_modelled

PAGE = 10  # where a request gives no MaxResults
KINDS = {"TrainingJob": "TrainingJob", "ExperimentTrialComponent": "TrialComponent"}  # and their structure's name
_FREE = ("Tags", "Parents", "Metrics")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda one, other: one > other,
    "GreaterThanOrEqualTo": lambda one, other: one >= other,
    "LessThan": lambda one, other: one < other,
    "LessThanOrEqualTo": lambda one, other: one <= other,
}


def search(parameters: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer Search.

    Args:
        parameters: of the request; Resource is one of ``KINDS``.
        documents: all resources of that kind, as they would be told.

    Raises:
        AwsError: a property or an operator that there isn't, or a token of another answer.
    """
    kind = KINDS[parameters["Resource"]]
    expression = parameters.get("SearchExpression") or {}
    found = [document for document in documents if _matches(expression, document, kind)]
    sort_by = parameters.get("SortBy", "LastModifiedTime")
    _check_property(sort_by, kind)
    found = in_order(found, sort_by, descending=parameters.get("SortOrder", "Descending") == "Descending")
    page, token = paged(found, parameters)
    results = [{kind: document} for document in page]
    return {"Results": results} | ({"NextToken": token} if token else {})


def in_order(documents: Iterable[Mapping[str, Any]], name: str, *, descending: bool) -> list[Mapping[str, Any]]:
    """Sort by a property; documents without it come last in either order."""
    keyed = [(values_of(document, name), document) for document in documents]
    having = sorted((one for one in keyed if one[0]), key=lambda one: _sortable(one[0][0]), reverse=descending)
    return [document for _, document in having] + [document for values, document in keyed if not values]


def paged(found: Sequence[Any], parameters: Mapping[str, Any]) -> tuple[Sequence[Any], str | None]:
    """Return the page that a request asks for, and the token of the next one.

    Raises:
        AwsError: NextToken is none of ours.
    """
    start = 0
    if token := parameters.get("NextToken"):
        try:
            start = int(base64.b64decode(token, validate=True).decode().removeprefix("from "))
        except (binascii.Error, ValueError):
            raise invalid(f"Invalid pagination token: {token}") from None
    end = start + parameters.get("MaxResults", PAGE)
    return found[start:end], base64.b64encode(f"from {end}".encode()).decode() if end < len(found) else None


def values_of(content: Any, name: str) -> list[Any]:
    """Return the values of a property whose name may lead into structures, lists and maps, in any case of letters.

    Metrics.<name>.<Max or another statistic>, Tags.<key> and Parameters.<name> find what they name.
    """
    head, _, rest = name.partition(".")
    if isinstance(content, list):
        return [value for item in content for value in values_of(item, name)]
    if not isinstance(content, Mapping):
        return []
    whole = _get(content, name)
    if whole is not None:
        return [_plain(whole)]
    inner = _get(content, head)
    if inner is None or not rest:
        return []
    if head.lower() == "tags":
        return [tag["Value"] for tag in inner if tag["Key"] == rest]
    if head.lower() == "metrics":
        metric, _, statistic = rest.rpartition(".")
        return [value for one in inner if one["MetricName"] == metric for value in values_of(one, statistic)]
    if head.lower() == "finalmetricdatalist":
        return [one["Value"] for one in inner if one["MetricName"] == rest]
    return values_of(inner, rest)


def _get(content: Mapping[str, Any], name: str) -> Any:
    if name in content:
        return content[name]
    return next((value for key, value in content.items() if key.lower() == name.lower()), None)


def _plain(value: Any) -> Any:
    """Return a parameter without the name of its kind."""
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in ("NumberValue", "StringValue"):
        return next(iter(value.values()))
    return value


def _matches(expression: Mapping[str, Any], document: Mapping[str, Any], kind: str) -> bool:
    if expression.get("NestedFilters"):
        raise not_modelled("NestedFilters of Search")
    ways = [_passes(one, document, kind) for one in expression.get("Filters") or []]
    ways += [_matches(one, document, kind) for one in expression.get("SubExpressions") or []]
    return any(ways) if expression.get("Operator") == "Or" and ways else all(ways)


def _passes(condition: Mapping[str, str], document: Mapping[str, Any], kind: str) -> bool:
    name, operator, wanted = condition["Name"], condition.get("Operator", "Equals"), condition.get("Value")
    _check_property(name, kind)
    values = values_of(document, name)
    if operator in ("Exists", "NotExists"):
        return bool(values) == (operator == "Exists")
    if wanted is None:
        raise invalid(f"Filter on {name} with operator {operator} needs a Value.")
    if operator == "NotEquals":
        return not any(_text(value) == wanted for value in values)
    return any(_compares(value, operator, wanted) for value in values)


def _compares(value: Any, operator: str, wanted: str) -> bool:
    if operator == "Equals":
        return _text(value) == wanted or (isinstance(value, int | float) and _number(wanted) == value)
    if operator == "Contains":
        return wanted in _text(value)
    if operator == "In":
        return _text(value) in wanted.split(",")
    one, other = (value.timestamp(), _moment(wanted)) if isinstance(value, datetime) else (value, _number(wanted))
    return isinstance(one, int | float) and other is not None and _ORDERED[operator](one, other)


def _check_property(name: str, kind: str) -> None:
    known = {member.lower() for member in (*members("sagemaker", kind), *_FREE)}
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


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return _number(text)


def _sortable(value: Any) -> tuple[int, Any]:
    """Put numbers and times before text, which cannot be compared with them."""
    if isinstance(value, datetime):
        return 0, value.timestamp()
    return (0, value) if isinstance(value, int | float) else (1, str(value))
