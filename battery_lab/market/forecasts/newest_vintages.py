"""Newest vintages: what the newest runs of each forecast say at every row of a series, and never a later run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, seen_from_s, stored_runs
from battery_lab.market.forecasts.newest_runs import NONE, NewestRuns, index_runs, joined, means, read_only_view
from battery_lab.market.forecasts.vintage_runs import HOUR_S, Times
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
ANY = -1
# Products by rank: the first one that covers a stretch counts. Of several in one rank, that is the newest run.
Ranks = Sequence[Sequence[ForecastVintages]]


def ranked_products(series: MarketSeries, quantity: str, names: Sequence[str] | None, field: str) -> Ranks:
    """Return the forecasts of a quantity by rank.

    Args:
        series: the market.
        quantity: ``price``, or another quantity that is forecast.
        names: the products to use, the first one first; None: all, the finest step first, those of one step together.
        field: the option that names them, for the error message.

    Raises:
        ConfigError: the market has no such forecast of the quantity.
    """
    products = {name: known for name, known in series.forecasts.items() if known.quantity == quantity}
    for name in names or ():
        if name not in products:
            has = ", ".join(products) or "none"
            raise ConfigError(f"{field} must name forecasts of {quantity}, of which the market has {has}, got {name!r}")
    if names is not None:
        return [[products[name]] for name in dict.fromkeys(names)]
    ordered = sorted(products.values(), key=lambda known: (known.step_s, known.name))
    return [list(rank) for _, rank in groupby(ordered, key=lambda known: known.step_s)]


class NewestVintages:
    """The newest vintages of some products at the times of T rows: all that is known of them then.

    For each interval, the newest published run that covers it counts, as in ``ForecastVintages``.

    Attributes:
        products: names of the products, by rank.
        step_h: length of the intervals of each, hours.
    """

    def __init__(self, ranks: Ranks, times: Times) -> None:
        """Find the newest run for each time.

        Args:
            ranks: the products by rank; where several ranks say something, the first of them counts.
            times: (T,) datetime64, UTC: when the interval that starts then is decided.
        """
        self._products = [known for rank in ranks for known in rank]
        self.products = tuple(known.name for known in self._products)
        self.step_h = tuple(known.step_h for known in self._products)
        self._times = np.asarray(times).astype("datetime64[s]")
        self._runs = _newest_runs(ranks, self._times)

    def mean(self, begin_h: float, end_h: float, product: int = ANY, earlier: int = 0) -> Array:
        """Return the (T,) mean forecast from ``begin_h`` to ``end_h`` hours after the start of each row.

        Args:
            begin_h: begin of the stretch, hours.
            end_h: its end.
            product: number of the product; without it, the first rank that covers the whole stretch.
            earlier: what was known before this many of the newest runs were published; 0: before none.

        Returns:
            NaN where nothing covers the stretch.
        """
        runs = self._runs if product == ANY else self._by_product
        return means(runs, product, round(begin_h * HOUR_S), round(end_h * HOUR_S), earlier)

    def age_h(self, product: int) -> Array:
        """Return the (T,) hours since the newest run of a product was published; NaN where there is none."""
        known = self._products[product]
        run, published = known.newest(self._times), stored_runs(known).published
        if not len(published):
            return np.full(len(run), np.nan)
        age = (self._times - published[np.maximum(run, 0)]) / np.timedelta64(HOUR_S, "s")
        return np.where(run >= 0, age, np.nan)

    def reach_h(self) -> Array:
        """Return the (T,) hours from the start of each row to the end of the last interval that is forecast; or NaN."""
        run, runs = self._runs.run, self._runs
        if not len(runs.every.reach_s):
            return np.full(len(self._times), np.nan)
        ends = np.where(run >= 0, runs.every.reach_s[np.maximum(run, 0)] - runs.start_s, -1)
        latest = ends.max(axis=0)
        return np.where(latest > 0, latest / HOUR_S, np.nan)

    @cached_property
    def _by_product(self) -> NewestRuns:
        if len(self._runs.step_s) == len(self._products):
            return self._runs
        return _newest_runs([[known] for known in self._products], self._times)


def compiled_runs(newest: NewestVintages) -> NewestRuns:
    """Return the runs for compiled code of planners, later ones of the same piece too: not for features."""
    return newest._runs


def _newest_runs(ranks: Ranks, times: Times) -> NewestRuns:
    stored = [[stored_runs(known) for known in rank] for rank in ranks]
    seen = [[seen_from_s(known) for known in rank] for rank in ranks]
    step_s = [rank[0].step_s for rank in ranks]
    counts = [sum(map(len, rank)) for rank in ranks]
    base, time_s = np.cumsum([0, *counts])[: len(ranks)], times.astype(np.int64)
    newest = [np.searchsorted(np.sort(joined(rank)), time_s, side="right") - 1 for rank in seen]
    run = [np.where(number >= 0, number + before, NONE) for number, before in zip(newest, base, strict=True)]
    return NewestRuns(
        run=read_only_view(np.array(run, np.int32).reshape(len(ranks), len(times))),
        start_s=read_only_view(time_s),
        step_s=read_only_view(np.array(step_s, np.int64)),
        base=read_only_view(base.astype(np.int64)),
        every=index_runs(stored, seen, step_s),
    )
