"""Unknown values: which values of a series are known at a moment, and copies of a series with other unknown values."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
Change = Literal["other", "higher", "lower"]
PRICE = "price"


def known_end(series: MarketSeries, column: str, now: int, price_lag: int) -> int:
    """Return the row after the last one whose value is known when row ``now`` is dispatched.

    Args:
        series: the market.
        column: ``price`` or a column.
        now: the dispatched row.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
    """
    lead_h = series.lead_h.get(column)
    if lead_h is None:
        return now - price_lag + 1
    return now + 1 + int(lead_h / series.interval_h + 1e-9)


def change_unknown(
    series: MarketSeries, now: int, price_lag: int, change: Change, rng: np.random.Generator
) -> MarketSeries:
    """Return a copy of a series in which everything that is not known at row ``now`` differs.

    Args:
        series: the market.
        now: the dispatched row.
        price_lag: see ``known_end``.
        change: ``other`` draws values of the same column; ``higher`` and ``lower`` draw values beyond all of them.
        rng: draws the values.
    """

    def changed(column: str, values: Array) -> Array:
        first = max(known_end(series, column, now, price_lag), 0)
        span = float(values.max() - values.min()) + 1.0
        drawn = rng.choice(values, max(len(values) - first, 0))
        drawn += {"other": 0.0, "higher": span, "lower": -span}[change]
        drawn[drawn == values[first:]] += span
        return np.concatenate([values[:first], drawn])

    columns = {name: changed(name, values) for name, values in series.columns.items()}
    return replace(series, price=changed(PRICE, series.price), columns=columns)
