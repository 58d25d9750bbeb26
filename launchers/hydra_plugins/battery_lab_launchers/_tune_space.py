"""Hydra's own syntax for values as a search space of Ray Tune: intervals, choices and ranges, on a log scale or not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override
from ray import tune

from battery_lab.common.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search goes through.

    Attributes:
        fixed: overrides of all trials.
        domains: Tune's domain of each key that is searched.
        repeats: lists of overrides, with each of which every point is tried.
    """

    fixed: tuple[str, ...]
    domains: Mapping[str, Any]
    repeats: tuple[tuple[str, ...], ...]

    def overrides(self, point: Mapping[str, Any]) -> list[list[str]]:
        """Return the overrides of the trials of a point, one list for each repeat."""
        chosen = [f"{key}={_text(point[key])}" for key in self.domains]
        return [[*self.fixed, *chosen, *repeat] for repeat in self.repeats]

    def point(self, choices: Sequence[str]) -> dict[str, Any] | None:
        """Return the point that a trial's overrides are of; None where they are of another space, or outside of it."""
        given = dict(choice.partition("=")[::2] for choice in choices)
        if not self.domains.keys() <= given.keys():
            return None
        try:
            values = {key: _value(given[key], domain) for key, domain in self.domains.items()}
        except ValueError:
            return None
        return values if all(_is_in(values[key], domain) for key, domain in self.domains.items()) else None


def space(overrides: Sequence[Override], repeats: Sequence[str]) -> Space:
    """Turn the overrides of a search into its space.

    Args:
        overrides: as Hydra parsed them.
        repeats: keys whose lists repeat each point.

    Raises:
        ConfigError: nothing is searched, or a repeated key has no list.
    """
    fixed, domains, again = [], {}, []
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(f"{key}={override.get_value_element_as_str()}")
        elif key in repeats:
            again.append([f"{key}={value}" for value in _listed(override)])
        else:
            domains[key] = _domain(override)
    if not domains:
        raise ConfigError(
            "sweeper=tune searches, and nothing is to be searched: give intervals or choices, for instance "
            "'algo.lr=tag(log,interval(1e-5,1e-2))' 'algo.gamma=choice(0.99,0.995)'"
        )
    return Space(fixed=tuple(fixed), domains=domains, repeats=tuple(itertools.product(*again)))


def _listed(override: Override) -> list[str]:
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} must be a list, as {override.key_or_group} repeats each point")
    return list(override.sweep_string_iterator())


def _domain(override: Override) -> Any:
    value = override.value()
    if not isinstance(value, IntervalSweep):
        return tune.choice(_listed(override))
    start, end, log = value.start, value.end, "log" in value.tags
    if start is None or end is None or start >= end or (log and start <= 0):
        above = ", above 0 on a log scale," if log else ""
        raise ConfigError(f"{override.input_line} must be an interval whose start{above} is below its end")
    if isinstance(start, int) and isinstance(end, int):
        return (tune.lograndint if log else tune.randint)(start, end + 1)
    return (tune.loguniform if log else tune.uniform)(start, end)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _value(text: str, domain: Any) -> Any:
    if isinstance(domain, tune.search.sample.Categorical):
        return text
    return int(text) if isinstance(domain, tune.search.sample.Integer) else float(text)


def _is_in(value: Any, domain: Any) -> bool:
    if isinstance(domain, tune.search.sample.Categorical):
        return value in domain.categories
    # The end of whole numbers is outside of them.
    last = domain.upper - 1 if isinstance(domain, tune.search.sample.Integer) else domain.upper
    return bool(domain.lower <= value <= last)
