"""Features of vintages: what the newest run of a forecast says, how products differ, revisions, and age."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Unit, options
from battery_lab.market.forecasts.newest_vintages import NewestVintages
from battery_lab.observations.feature import Block, side_by_side
from battery_lab.observations.market_history import History
from battery_lab.observations.past_features import Hours

Array = NDArray[np.float64]
Horizons = Annotated[Sequence[Hours], Field(min_length=1)]


@options("observation feature VintageHours")
class VintageHours:
    """The newest vintage of a forecast over stretches of the coming hours.

    Where it ends, the last stretch that it covers is repeated. Where none is published, the last known value is.

    Attributes:
        quantity: what is forecast: ``price``, a column, or what only forecasts have.
        product: name of the forecast; None: of all forecasts of the quantity, the first one that covers a stretch, in
            order of their steps, the finest first.
        hours_ahead: ends of the stretches, in rising order; each begins where the one before ends, the first one now.
        optional: whether to leave the feature out if the market does not have such a forecast.
    """

    quantity: str
    product: str | None
    hours_ahead: Horizons
    optional: bool

    def __post_init__(self) -> None:
        _check_rising("VintageHours", self.hours_ahead)

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block | None:
        """Return one column per stretch."""
        newest = _newest(history, "VintageHours", self.quantity, self.product, self.optional)
        if newest is None:
            return None
        last = history.latest(self.quantity) if self.quantity in history.columns else np.zeros(len(history))
        columns = []
        for begin, end in _stretches(self.hours_ahead):
            values = newest.mean(begin, end)
            last = np.where(np.isnan(values), last, history.scaled(self.quantity, values))
            columns.append(last)
        name = "/".join(newest.products)
        return Block(values=side_by_side(columns), names=tuple(f"{name} +{h:g} h" for h in self.hours_ahead))


@options("observation feature VintageSpread")
class VintageSpread:
    """The difference between the newest vintages of each forecast and of the next coarser one, on the fitted scale.

    It is 0 where one of them does not cover a stretch.

    Attributes:
        quantity: what is forecast.
        hours_ahead: ends of the stretches, as in ``VintageHours``.
        optional: whether to leave the feature out if the market has fewer than two forecasts of the quantity.
    """

    quantity: str
    hours_ahead: Horizons
    optional: bool

    def __post_init__(self) -> None:
        _check_rising("VintageSpread", self.hours_ahead)

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block | None:
        """Return one column per pair of neighbours and stretch."""
        newest = _newest(history, "VintageSpread", self.quantity, None, self.optional, at_least=2)
        if newest is None:
            return None
        columns, names = [], []
        for fine, coarse in pairwise(range(len(newest.products))):
            for begin, end in _stretches(self.hours_ahead):
                pair = [history.scaled(self.quantity, newest.mean(begin, end, product)) for product in (fine, coarse)]
                columns.append(np.nan_to_num(pair[0] - pair[1], nan=0.0))
                names.append(f"{newest.products[fine]}/{newest.products[coarse]} spread +{end:g} h")
        return Block(values=side_by_side(columns), names=tuple(names))


@options("observation feature VintageRevision")
class VintageRevision:
    """What the newest vintage of each forecast changed against the one before, on the fitted scale.

    It is 0 where one of them does not cover a stretch.

    Attributes:
        quantity: what is forecast.
        product: name of the forecast; None: each forecast of the quantity.
        hours_ahead: ends of the stretches, as in ``VintageHours``.
        optional: whether to leave the feature out if the market does not have such a forecast.
    """

    quantity: str
    product: str | None
    hours_ahead: Horizons
    optional: bool

    def __post_init__(self) -> None:
        _check_rising("VintageRevision", self.hours_ahead)

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block | None:
        """Return one column per forecast and stretch."""
        newest = _newest(history, "VintageRevision", self.quantity, self.product, self.optional)
        if newest is None:
            return None
        columns, names = [], []
        for number, product in enumerate(newest.products):
            for begin, end in _stretches(self.hours_ahead):
                pair = [newest.mean(begin, end, number, earlier) for earlier in (0, 1)]
                now, before = (history.scaled(self.quantity, values) for values in pair)
                columns.append(np.nan_to_num(now - before, nan=0.0))
                names.append(f"{product} revision +{end:g} h")
        return Block(values=side_by_side(columns), names=tuple(names))


@options("observation feature VintageAge")
class VintageAge:
    """Hours since the newest vintage of each forecast was published.

    Attributes:
        quantity: what is forecast.
        product: name of the forecast; None: each forecast of the quantity.
        longest_h: an older vintage, or none, counts as this old.
        optional: whether to leave the feature out if the market does not have such a forecast.
    """

    quantity: str
    product: str | None
    longest_h: Annotated[float, Field(gt=0), Unit("hours")]
    optional: bool

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block | None:
        """Return one column per forecast."""
        newest = _newest(history, "VintageAge", self.quantity, self.product, self.optional)
        if newest is None:
            return None
        ages = [np.fmin(newest.age_h(number), self.longest_h) for number in range(len(newest.products))]
        return Block(values=side_by_side(ages), names=tuple(f"{product} age" for product in newest.products))


def _newest(
    history: History, feature: str, quantity: str, product: str | None, optional: bool, at_least: int = 1
) -> NewestVintages | None:
    """Return the newest vintages that a feature needs; None if it is optional and there are too few."""
    has = [name for name, of in history.forecasts.items() if of == quantity]
    enough = len(has) >= at_least if product is None else product in has
    if not enough and optional:
        return None
    if not enough:
        raise ConfigError(
            f"observation: {feature} needs {product or f'{at_least} forecasts with vintages'} of {quantity}, and the "
            f"market has {', '.join(has) or 'none'}: choose another observation set, for example observation=compact"
        )
    return history.vintages(quantity, product, f"observation feature {feature}.product")


def _stretches(hours: Sequence[float]) -> list[tuple[float, float]]:
    return list(pairwise([0.0, *hours]))


def _check_rising(feature: str, hours: Sequence[float]) -> None:
    rising = all(np.diff(hours) > 0)
    require(rising, f"observation feature {feature}.hours_ahead", "must rise from each item to the next", list(hours))
