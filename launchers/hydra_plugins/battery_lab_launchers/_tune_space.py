"""Search space: translates Hydra's override syntax (intervals, lists, ranges, log scale) to Ray Tune domains."""

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
    """A search space.

    Attributes:
        fixed: overrides that all trials share.
        domains: Tune's domain of each searched key.
        repeats: lists of overrides. Each point is trained once with each list.
    """

    fixed: tuple[str, ...]
    domains: Mapping[str, Any]
    repeats: tuple[tuple[str, ...], ...]

    def overrides(self, point: Mapping[str, Any]) -> list[list[str]]:
        """Return the overrides of a point's trials, one list per repeat."""
        chosen = [f"{key}={_text(point[key])}" for key in self.domains]
        return [[*self.fixed, *chosen, *repeat] for repeat in self.repeats]

    def point(self, overrides: Sequence[str]) -> dict[str, Any] | None:
        """Return the point that a trial's overrides describe. None: it is not in this space."""
        values = dict(override.partition("=")[::2] for override in overrides)
        if not self.domains.keys() <= values.keys():
            return None
        try:
            point = {key: _value(values[key], domain) for key, domain in self.domains.items()}
        except ValueError:
            return None
        return point if all(_contains(domain, point[key]) for key, domain in self.domains.items()) else None


def parse_space(overrides: Sequence[Override], repeat_keys: Sequence[str]) -> Space:
    """Return the search space that overrides describe.

    Args:
        overrides: overrides as parsed by Hydra.
        repeat_keys: keys whose lists repeat each point.

    Raises:
        ConfigError: no key is searched, an interval is empty, or a repeated key has an interval.
    """
    fixed, domains, repeats = [], {}, []
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(f"{key}={override.get_value_element_as_str()}")
        elif key in repeat_keys:
            repeats.append([f"{key}={value}" for value in _listed(override)])
        else:
            domains[key] = _domain(override)
    if not domains:
        raise ConfigError(
            "sweeper=tune has nothing to search: give intervals or lists of values, for instance "
            "'algo.lr=tag(log,interval(1e-5,1e-2))' 'algo.gamma=choice(0.99,0.995)'"
        )
    return Space(fixed=tuple(fixed), domains=domains, repeats=tuple(itertools.product(*repeats)))


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
        positive = ", which must be above 0 on a log scale," if log else ""
        raise ConfigError(f"{override.input_line} must be an interval whose start{positive} is below its end")
    if isinstance(start, int) and isinstance(end, int):
        # Hydra's integer intervals include their end, Tune's do not.
        return (tune.lograndint if log else tune.randint)(start, end + 1)
    return (tune.loguniform if log else tune.uniform)(start, end)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _value(text: str, domain: Any) -> Any:
    if isinstance(domain, tune.search.sample.Categorical):
        return text
    return int(text) if isinstance(domain, tune.search.sample.Integer) else float(text)


def _contains(domain: Any, value: Any) -> bool:
    if isinstance(domain, tune.search.sample.Categorical):
        return value in domain.categories
    last = domain.upper - 1 if isinstance(domain, tune.search.sample.Integer) else domain.upper
    return bool(domain.lower <= value <= last)
