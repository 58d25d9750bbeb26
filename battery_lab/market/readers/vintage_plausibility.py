"""Vintage checks: whether the times of publication and the values of forecasts are plausible beside a series.

A clock of publication that is hours off makes results too good, and nothing else would show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.newest_vintages import NewestVintages
from battery_lab.market.forecasts.vintage_runs import HOUR_S
from battery_lab.market.intervals.price_plausibility import Range, usual_range
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
HOUR = np.timedelta64(HOUR_S, "s")
# A run that begins this much later than it is published, and so many times the time between runs, is not plausible: a
# forecast that is made every five minutes begins now. Runs that are fewer have no usual time between them.
LEAD_H, LEAD_RUNS, FEWEST_RUNS = 3.0, 3.0, 4
# Forecasts and prices of one unit differ by less.
UNIT_FACTOR = 100.0
# Runs that are written in parts are published within seconds of one another.
PARTS_S, PARTS_SHARE = 60, 0.01


def check_vintages(
    series: MarketSeries,
    lead_ranges_h: Mapping[str, tuple[float, float] | None],
    price_range: tuple[float, float] | None,
    settled: Range | None,
) -> MarketSeries:
    """Return a series with a note on each of its forecasts.

    Args:
        series: the series, with forecasts.
        lead_ranges_h: by forecast, the hours from the publication of a run to its first interval that the user allows.
        price_range: the prices that the user allows.
        settled: the prices that the operator can settle; None if that is not known.

    Raises:
        DataError: a clock is wrong, no row of the series can see a forecast, or prices are in another unit.
    """
    notes = []
    for name, known in series.forecasts.items():
        _check_publication(name, known, lead_ranges_h.get(name))
        ahead = NewestVintages([[known]], series.start).mean(0.0, series.interval_h)
        if known.quantity == "price":
            _check_prices(name, known, series.price, ahead, price_range, settled)
        notes += [_note(name, known, series, ahead), *_parts_note(name, known)]
    return replace(series, notes=(*series.notes, *notes))


def leads_h(known: ForecastVintages) -> Array:
    """Return the (R,) hours from the publication of each run to the start of its first interval."""
    runs = stored_runs(known)
    return np.asarray((runs.first - runs.published) / HOUR, np.float64)


def hours_between_runs(known: ForecastVintages) -> Array:
    """Return the hours from each time of publication to the next one."""
    return np.asarray(np.diff(np.unique(stored_runs(known).published)) / HOUR, np.float64)


def _check_publication(name: str, known: ForecastVintages, allowed: tuple[float, float] | None) -> None:
    runs, lead = stored_runs(known), leads_h(known)
    median, field = float(np.median(lead)), f"market.forecasts.{name}"
    if allowed is not None:
        if not allowed[0] <= median <= allowed[1]:
            raise DataError(
                f"{field}: a run is published {in_words(median)} in the median, beyond {field}.lead_range_h = "
                f"{list(allowed)}: correct the stamps, or the range"
            )
        return
    remedy = f"State it with {field}.issued_time_zone, or, if the times are right, allow them: {field}.lead_range_h="
    remedy += f"[{np.floor(lead.min()):.0f},{np.ceil(lead.max()):.0f}]"
    late = lead + np.diff(runs.offset) * known.step_h <= 0
    if late.mean() > 0.5:
        raise DataError(
            f"{field}: {late.mean():.0%} of the runs end before they are published, so nobody could use them. Their "
            f"time of publication may be on another clock. {remedy}"
        )
    between = hours_between_runs(known)
    if len(between) + 1 >= FEWEST_RUNS and median > max(LEAD_H, LEAD_RUNS * float(np.median(between))):
        raise DataError(
            f"{field}: a run is published {in_words(median)} in the median, though one is published every "
            f"{np.median(between):.3g} h. Their time of publication may be on another clock. {remedy}"
        )


def in_words(lead_h: float) -> str:
    """Return how long before or after the start of its first interval a run is published."""
    minutes = abs(lead_h) * 60
    size = f"{minutes:.3g} min" if minutes < 60 else f"{abs(lead_h):.3g} h"
    return f"{size} {'before' if lead_h >= 0 else 'after'} its first interval begins"


def _check_prices(
    name: str,
    known: ForecastVintages,
    price: Array,
    ahead: Array,
    price_range: tuple[float, float] | None,
    settled: Range | None,
) -> None:
    """Raise DataError where a forecast of the price is beyond what is plausible, or in another unit than the price."""
    values, field = stored_runs(known).values, f"market.forecasts.{name}"
    limits = price_range or settled or usual_range(price)
    low, high = float(np.min(limits[0])), float(np.max(limits[1]))
    wrong = (values < low - 0.01) | (values > high + 0.01)
    if wrong.any():
        i = int(wrong.argmax())
        lowest, highest = min(low, float(np.nanmin(values))), max(high, float(np.nanmax(values)))
        raise DataError(
            f"{field}: a forecast of the price is {values[i]:,.10g}, beyond what is plausible, {low:,.10g} to "
            f"{high:,.10g} ({wrong.sum():,} such values). Correct the file, or, if it is right, allow it: "
            f"market.price_range=[{np.floor(lowest):.0f},{np.ceil(highest):.0f}]"
        )
    both = np.isfinite(ahead)
    if price_range is not None or not both.any():
        return
    sizes = [float(np.median(np.abs(prices[both]))) for prices in (ahead, price)]
    if min(sizes) > 0 and max(sizes) > UNIT_FACTOR * min(sizes):
        raise DataError(
            f"{field}: half of its forecasts of the price are above {sizes[0]:.3g} in magnitude, and half of the "
            f"prices above {sizes[1]:.3g}, so they are not in one unit. Convert the file to currency per MWh, or "
            "confirm it with market.price_range=[lowest,highest]"
        )


def _note(name: str, known: ForecastVintages, series: MarketSeries, ahead: Array) -> str:
    """Return when runs are published and how many intervals have a forecast, one sentence."""
    lead, covered = leads_h(known), float(np.isfinite(ahead).mean())
    if not covered and not (known.newest(series.start) >= 0).any():
        first, last = (str(time) for time in stored_runs(known).published[[0, -1]])
        raise DataError(
            f"market.forecasts.{name}: its runs are published from {first}Z to {last}Z, and the series ends at "
            f"{series.start[-1]}Z, so no interval can see one. Name files of the same time, or leave the forecast out"
        )
    low, high = -float(lead.max()), -float(lead.min())
    middle = in_words(float(np.median(lead)))
    return (
        f"forecast {name}: a run is published {middle} in the median ({low:.3g} to {high:.3g} h after it), and "
        f"{covered:.1%} of the intervals have a forecast at their start"
    )


def _parts_note(name: str, known: ForecastVintages) -> list[str]:
    """Return a sentence if runs look as if they were written in parts."""
    runs = stored_runs(known)
    end = runs.first + np.diff(runs.offset) * np.timedelta64(known.step_s, "s")
    close = np.diff(runs.published) <= np.timedelta64(PARTS_S, "s")
    parts = close & ((runs.first[1:] == end[:-1]) | (end[1:] == runs.first[:-1]))
    if parts.mean() <= PARTS_SHARE if len(parts) else True:
        return []
    return [
        f"forecast {name}: {parts.sum():,} runs are published within {PARTS_S} seconds of another one and continue it: "
        f"if they are parts of one run, name the column of the run with market.forecasts.{name}.run"
    ]
