"""Future values: those not known when an interval is dispatched, and copies of a series without them or with others."""

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


def known_series(series: MarketSeries, row: int, price_lag: int) -> MarketSeries:
    """Return the rows up to the interval ``row`` and beyond, with NaN in place of all values that are not known at it.

    With ``price_lag`` 0, observations of the interval contain its own price and its other measured values. The last
    known ones take their place.
    """
    step = np.timedelta64(round(series.interval_h * 3600), "s")
    # The price of the interval itself is never known, whatever the policy was trained with.
    ends = {name: known_end(series, name, row, 1) for name in (PRICE, *series.columns)}
    length = max(row + 1, *ends.values())

    def known(name: str, values: Array) -> Array:
        end = min(ends[name], len(values))
        held = np.concatenate([values[:end], np.full(length - end, np.nan)])
        if ends[name] == row and price_lag == 0:
            held[row] = held[row - 1]
        return held

    gap, filled = np.zeros((2, length), np.bool_)
    gap[:row], filled[:row] = series.gap[:row], series.is_filled[:row]
    return replace(
        series,
        start=series.start[0] + step * np.arange(length),
        price=known(PRICE, series.price),
        gap=gap,
        filled=filled,
        columns={name: known(name, values) for name, values in series.columns.items()},
    )


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
