"""Future values: those not known when an interval is dispatched, and copies of a series without them or with others."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import SECOND, Runs
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
Change = Literal["other", "higher", "lower"]
PRICE = "price"
# Shares of the later runs of a forecast that are left out, or come later, or are shorter, and by how many steps.
MISSING_SHARE, CHANGED_SHARE, MOST_STEPS = 0.2, 0.5, 12


def is_known_ahead(series: MarketSeries, column: str) -> bool:
    """Return whether a column, or ``price``, is published before its interval, and not measured in it."""
    return column in series.lead_h or column in series.published


def publication(series: MarketSeries, column: str) -> str:
    """Return in words when a column, or ``price``, that is known ahead is published."""
    rule = series.published.get(column)
    return f"{series.lead_h[column]:g} h ahead" if rule is None else f"day-ahead ({rule})"


def known_lag(series: MarketSeries, price_lag: int) -> int:
    """Return 0 if the price is known ahead, whatever ``price_lag`` says, and else ``price_lag``."""
    return 0 if is_known_ahead(series, PRICE) else price_lag


def column_lag(series: MarketSeries, column: str, price_lag: int) -> int:
    """Return the lag of a measured column: that of the price, but 1 beside a price that is known ahead.

    A measurement of an interval is not known at its start because the price is.
    """
    return 1 if column != PRICE and is_known_ahead(series, PRICE) else price_lag


def known_ends(series: MarketSeries, column: str, price_lag: int) -> NDArray[np.int64]:
    """Return for each of the T rows the row after the last one whose value is known when it is dispatched.

    Ends may be beyond the series. The arguments are those of ``known_end``.
    """
    return _ends(series, column, np.arange(len(series)), price_lag)


def known_end(series: MarketSeries, column: str, now: int, price_lag: int) -> int:
    """Return the row after the last one whose value is known when row ``now`` is dispatched.

    Args:
        series: the market.
        column: ``price`` or a column.
        now: the dispatched row; it may follow the last one.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
    """
    return int(_ends(series, column, np.array([now]), price_lag)[0])


def _ends(series: MarketSeries, column: str, rows: NDArray[np.int64], price_lag: int) -> NDArray[np.int64]:
    if column in series.published:
        step = _step(series)
        until = series.published[column].known_until(series.start[0] + step * rows)
        ends: NDArray[np.int64] = -((series.start[0] - until) // step)
        return ends
    lead_h = series.lead_h.get(column)
    return (
        rows
        + 1
        + (-column_lag(series, column, price_lag) if lead_h is None else int(lead_h / series.interval_h + 1e-9))
    )


def _step(series: MarketSeries) -> np.timedelta64:
    return np.timedelta64(round(series.interval_h * 3600), "s")


def known_series(series: MarketSeries, row: int, price_lag: int) -> MarketSeries:
    """Return the rows up to the interval ``row`` and beyond, with NaN in place of all values that are not known at it.

    With ``price_lag`` 0, observations of the interval contain its own price and its other measured values. The last
    known ones take their place.
    """
    step = _step(series)
    # A price that is settled in its interval is not known before it, whatever the policy was trained with.
    ends = {name: known_end(series, name, row, 1) for name in (PRICE, *series.columns)}
    length, now = max(row + 1, *ends.values()), series.start[0] + step * row

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
        forecasts={name: vintages.between(series.start[0], now) for name, vintages in series.forecasts.items()},
    )


def change_unknown(
    series: MarketSeries, now: int, price_lag: int, change: Change, rng: np.random.Generator
) -> MarketSeries:
    """Return a copy of a series in which everything that is not known at row ``now`` differs, later forecasts too.

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
    time = series.start[0] + _step(series) * now
    forecasts = {name: _change_later(vintages, time, change, rng) for name, vintages in series.forecasts.items()}
    return replace(series, price=changed(PRICE, series.price), columns=columns, forecasts=forecasts)


def _change_later(
    vintages: ForecastVintages, now: np.datetime64, change: Change, rng: np.random.Generator
) -> ForecastVintages:
    """Return forecasts of which all runs that can be used after ``now`` only differ.

    Their values differ, also where they had none. Some of them are missing, come later and begin later, or are shorter.
    """
    runs, place = stored_runs(vintages), int(vintages.newest(np.array([now]))[0]) + 1
    count = len(vintages) - place
    if not count:
        return vintages
    kept, late = rng.random(count) > MISSING_SHARE, rng.random(count) < CHANGED_SHARE
    steps = np.where(late, rng.integers(1, MOST_STEPS, count), 0) * vintages.step_s * SECOND
    lengths = np.diff(runs.offset)[place:]
    shorter = np.where(rng.random(count) < CHANGED_SHARE, rng.integers(0, lengths + 1), lengths)
    values = _other_values(runs, place, change, rng)
    parts = [values[begin : begin + n] for begin, n, keep in zip(_starts(lengths), shorter, kept, strict=True) if keep]
    published, first = (times[place:] + steps for times in (runs.published, runs.first))
    order = np.argsort(published[kept], kind="stable")
    known = runs.rows(0, place)
    return vintages.with_runs(
        Runs(
            published=np.concatenate([known.published, published[kept][order]]),
            first=np.concatenate([known.first, first[kept][order]]),
            offset=np.cumsum([0, *np.diff(known.offset), *shorter[kept][order]]),
            values=np.concatenate([known.values, *(parts[i] for i in order)]),
        )
    )


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.cumsum(lengths) - lengths)


def _other_values(runs: Runs, place: int, change: Change, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return other values for the runs from a place on."""
    values = runs.values[runs.offset[place] : runs.offset[-1]]
    finite = runs.values[np.isfinite(runs.values)]
    finite = finite if len(finite) else np.zeros(1, np.float32)
    span = float(finite.max() - finite.min()) + 1.0
    drawn = rng.choice(finite, len(values)) + np.float32({"other": 0.0, "higher": span, "lower": -span}[change])
    drawn[drawn == values] += np.float32(span)
    return np.asarray(drawn, np.float32)
