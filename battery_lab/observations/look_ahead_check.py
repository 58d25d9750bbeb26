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

PIECE_DAYS = 3  # before and after a moment


def refuse_look_ahead(
    features: Mapping[str, Feature], series: MarketSeries, price_lag: int, columns: Mapping[str, ColumnScale]
) -> None:
    """Change what is not known yet in short pieces of the series, and check that no feature changes.

    At each of some moments, what is not known is changed: prices, columns, and all runs of forecasts that are published
    later, of which some are missing, late or short. Each forecast has a moment with runs before and after it, if there
    is one.

    Args:
        features: the features by name.
        series: the series of the training period.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        columns: the scale of each market column.

    Raises:
        ConfigError: a feature depends on values that are not known when the interval is dispatched.
    """
    days, rng = PIECE_DAYS * series.intervals_per_day, np.random.default_rng(0)
    for moment in moments(series):
        first = max(moment - days, 0)
        original, now = series.rows(first, min(len(series), moment + days)), moment - first
        changed = change_unknown(original, now, price_lag, "higher", rng)
        for name, feature in features.items():
            before, after = (feature.build(History(piece, price_lag, columns)) for piece in (original, changed))
            if before is None or after is None:
                continue
            if not np.array_equal(before.values[: now + 1], after.values[: now + 1]):
                raise ConfigError(
                    f"observation.features.{name} looks ahead: its value for an interval depends on prices or "
                    "forecasts that are not known when the interval is dispatched; build it from the methods of History"
                )


def moments(series: MarketSeries) -> list[int]:
    """Return rows of a series: an early and a late one, and one per forecast with runs before and after it."""
    rows = {min(PIECE_DAYS * series.intervals_per_day, len(series) // 2), len(series) * 9 // 10}
    for known in series.forecasts.values():
        newest = known.newest(series.start)
        between = np.flatnonzero((newest >= 0) & (newest < newest[-1]))
        rows |= set(between[len(between) // 2 :][:1].tolist())
    return sorted(rows)
