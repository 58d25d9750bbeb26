"""Look-ahead check: refuses features that depend on prices which are not known when an interval is dispatched."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.future_values import change_unknown
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import ColumnScale
from battery_lab.observations.feature import Feature
from battery_lab.observations.market_history import History


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
    changed = change_unknown(original, now, price_lag, "higher", np.random.default_rng(0))
    for name, feature in features.items():
        before, after = (feature.build(History(piece, price_lag, columns)) for piece in (original, changed))
        if before is None or after is None:
            continue
        if not np.array_equal(before.values[: now + 1], after.values[: now + 1]):
            raise ConfigError(
                f"observation.features.{name} looks ahead: its value for an interval depends on prices that are "
                "not known when the interval is dispatched; build it from the methods of History"
            )
