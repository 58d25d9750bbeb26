"""Newest vintages: what the newest run of each forecast says at every row of a series, and never a later run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.forecast_vintages import HOUR_S, ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import Times
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = -1
ANY = -1


class NewestRuns(NamedTuple):
    """The newest runs of P products at T rows, for compiled code: ``forecast`` and ``forecast_ahead`` read it.

    Attributes:
        run: (P, T) int32, the newest run for each row; -1 where none is published.
        start_s: (T,) start of each row, seconds since 1970.
        first_s: (R,) start of the first interval of each run.
        begin: (R,) place of its first value.
        end: (R,) place after its last value.
        values: (V,) float32.
        step_s: (P,) length of the intervals of each product, seconds.
        base: (P,) number of its first run.
    """

    run: NDArray[np.int32]
    start_s: Ints
    first_s: Ints
    begin: Ints
    end: Ints
    values: NDArray[np.float32]
    step_s: Ints
    base: Ints


def price_products(series: MarketSeries, names: Sequence[str] | None, field: str) -> list[ForecastVintages]:
    """Return the forecasts of the price, those of the finest step first.

    Args:
        series: the market.
        names: the products to use; None: all.
        field: the option that names them, for the error message.

    Raises:
        ConfigError: the market has no such forecast of the price.
    """
    return products_of(series, "price", names, field)


def products_of(series: MarketSeries, quantity: str, names: Sequence[str] | None, field: str) -> list[ForecastVintages]:
    """Return the forecasts of a quantity, those of the finest step first; the other arguments as above."""
    products = {name: known for name, known in series.forecasts.items() if known.quantity == quantity}
    for name in names or ():
        if name not in products:
            has = ", ".join(products) or "none"
            raise ConfigError(f"{field} must name forecasts of {quantity}, of which the market has {has}, got {name!r}")
    chosen = [known for name, known in products.items() if names is None or name in names]
    return sorted(chosen, key=lambda known: (known.step_h, known.name))


class NewestVintages:
    """The newest vintages of some products at the times of T rows: all that is known of them then.

    Attributes:
        products: names of the products.
        step_h: length of the intervals of each, hours.
        runs: the same for compiled code.
    """

    def __init__(self, products: Sequence[ForecastVintages], times: Times, latency_h: float = 0.0) -> None:
        """Find the newest run of each product for each time.

        Args:
            products: the products; where several say something, the first of them counts.
            times: (T,) datetime64, UTC: when the interval that starts then is decided.
            latency_h: hours from publication until a run can be used.
        """
        self.products = tuple(known.name for known in products)
        self.step_h = tuple(known.step_h for known in products)
        self._published = [stored_runs(known).published for known in products]
        self._times = np.asarray(times).astype("datetime64[s]")
        self.runs = _newest_runs(products, self._times, latency_h)

    def mean(self, begin_h: float, end_h: float, product: int = ANY, earlier: int = 0) -> Array:
        """Return the (T,) mean forecast from ``begin_h`` to ``end_h`` hours after the start of each row.

        Args:
            begin_h: begin of the stretch, hours.
            end_h: its end.
            product: number of the product; without it, the first one that covers the whole stretch.
            earlier: how many runs before the newest one; 0 is the newest one.

        Returns:
            NaN where no product covers the stretch.
        """
        return _means(self.runs, product, round(begin_h * HOUR_S), round(end_h * HOUR_S), earlier)

    def age_h(self, product: int) -> Array:
        """Return the (T,) hours since the newest run of a product was published; NaN where there is none."""
        run = self.runs.run[product]
        published = self._published[product][np.maximum(run - self.runs.base[product], 0)]
        return np.where(run >= 0, (self._times - published) / np.timedelta64(HOUR_S, "s"), np.nan)


def _newest_runs(products: Sequence[ForecastVintages], times: Times, latency_h: float) -> NewestRuns:
    stored = [stored_runs(known) for known in products]
    base = np.cumsum([0, *(len(runs.published) for runs in stored)])[: len(stored)]
    places = np.cumsum([0, *(len(runs.values) for runs in stored)])[: len(stored)]
    newest = [known.newest(times, latency_h) for known in products]
    run = [np.where(number >= 0, number + before, NONE) for number, before in zip(newest, base, strict=True)]
    offsets = [runs.offset + place for runs, place in zip(stored, places, strict=True)]
    # One product stays where it is, perhaps mapped from its file. Several are joined.
    values = [runs.values for runs in stored]
    arrays: dict[str, Any] = {
        "run": np.array(run, np.int32).reshape(len(products), len(times)),
        "start_s": times.astype(np.int64),
        "first_s": _joined([runs.first.astype(np.int64) for runs in stored]),
        "begin": _joined([offset[:-1] for offset in offsets]),
        "end": _joined([offset[1:] for offset in offsets]),
        "values": values[0] if len(values) == 1 else np.concatenate([np.empty(0, np.float32), *values]),
        "step_s": np.array([known.step_s for known in products], np.int64),
        "base": base.astype(np.int64),
    }
    # Of one kind, so that the code is compiled once.
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return NewestRuns(**views)


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate([np.empty(0, np.int64), *parts])


@nb.njit(cache=True)
def forecast(runs: NewestRuns, product: int, row: int, begin_s: int, end_s: int, earlier: int) -> float:
    """Return the mean forecast of a stretch of time; NaN where a product does not cover all of it.

    Args:
        runs: the newest runs.
        product: number of the product; -1: the first one that covers the stretch.
        row: the row at which it is known.
        begin_s: begin of the stretch, seconds after the start of the row.
        end_s: its end.
        earlier: how many runs before the newest one; 0 is the newest one.
    """
    low, high = (0, len(runs.step_s)) if product < 0 else (product, product + 1)
    for p in range(low, high):
        run = runs.run[p, row] - earlier
        if run < runs.base[p]:
            continue
        first = runs.first_s[run] - runs.start_s[row]
        mean = _mean(runs.values[runs.begin[run] : runs.end[run]], runs.step_s[p], begin_s - first, end_s - first)
        if not np.isnan(mean):
            return mean
    return np.nan


@nb.njit(cache=True)
def forecast_ahead(runs: NewestRuns, row: int, width_s: int, ahead: Array) -> None:
    """Write the forecast of the k-th stretch after the start of a row to ``ahead[k]``, where there is one.

    Args:
        runs: the newest runs.
        row: the row at which it is known.
        width_s: length of a stretch, seconds.
        ahead: (K,) left as it is where no product covers a stretch.
    """
    for p in range(len(runs.step_s) - 1, -1, -1):  # the first product comes last, and counts
        run, step = runs.run[p, row], runs.step_s[p]
        if run < 0:
            continue
        values = runs.values[runs.begin[run] : runs.end[run]]
        first = runs.first_s[run] - runs.start_s[row]
        low = max(-((-first) // width_s), 0)
        high = min((first + len(values) * step) // width_s, len(ahead))
        for k in range(low, high):
            mean = _mean(values, step, k * width_s - first, (k + 1) * width_s - first)
            if not np.isnan(mean):
                ahead[k] = mean


@nb.njit(cache=True)
def _mean(values: NDArray[np.float32], step: int, begin: int, end: int) -> float:
    """Return the mean of a run from one time to another after its start; NaN where it does not cover all of it."""
    if begin < 0 or end > len(values) * step:
        return np.nan
    k, last = begin // step, (end - 1) // step
    if k == last:
        return float(values[k])
    total = 0.0
    for i in range(k, last + 1):
        total += (min(end, (i + 1) * step) - max(begin, i * step)) * values[i]
    return total / (end - begin)


@nb.njit(cache=True)
def _means(runs: NewestRuns, product: int, begin_s: int, end_s: int, earlier: int) -> Array:
    out = np.empty(len(runs.start_s))
    for row in range(len(out)):
        out[row] = forecast(runs, product, row, begin_s, end_s, earlier)
    return out
