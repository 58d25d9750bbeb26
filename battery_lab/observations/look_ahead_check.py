"""Look-ahead check: refuses features that depend on prices which are not known when an interval is dispatched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import ColumnScale
from battery_lab.observations.feature import Feature
from battery_lab.observations.market_history import History

Array = NDArray[np.float64]


def refuse_look_ahead(
    features: Mapping[str, Feature], series: MarketSeries, price_lag: int, columns: Mapping[str, ColumnScale]
) -> None:
    """Change what is not known yet in a short piece of the series, and check that no feature changes.

    Args:
        features: the features by name.
        series: the series of the training period.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        columns: the scale of each market column.

    Raises:
        ConfigError: a feature depends on values that are not known when the interval is dispatched.
    """
    per_day = series.intervals_per_day
    now = min(3 * per_day, len(series) // 2)
    original = series.rows(0, min(len(series), now + 3 * per_day))
    changed = _changed_after(original, now, price_lag)
    for name, feature in features.items():
        before, after = (feature.build(History(piece, price_lag, columns)) for piece in (original, changed))
        if before is None or after is None:
            continue
        if not np.array_equal(before.values[: now + 1], after.values[: now + 1]):
            raise ConfigError(
                f"observation.features.{name} looks ahead: its value for an interval depends on prices that are "
                "not known when the interval is dispatched; build it from the methods of History"
            )


def _changed_after(series: MarketSeries, now: int, price_lag: int) -> MarketSeries:
    """Return a copy of the series in which everything that is not known at row ``now`` differs."""
    row = np.arange(len(series))

    def change(values: Array, lead_h: float) -> Array:
        known = now - price_lag if lead_h == 0 else now + round(lead_h / series.interval_h)
        return np.where(row > known, values[::-1] + 1000.0, values)

    changed = {name: change(values, series.lead_h.get(name, 0.0)) for name, values in series.columns.items()}
    return replace(series, price=change(series.price, 0.0), columns=changed)
