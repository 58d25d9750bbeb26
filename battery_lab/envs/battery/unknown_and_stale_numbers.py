"""Unknown and stale numbers: errors where an observation for a bid lacks a number or holds an old forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.interval_lookup import local_time
from battery_lab.market.market_series import MarketSeries

STALE_WAITS = 3  # a forecast is stale after this many times the usual time from run to run


def refuse_unknown(observation: Mapping[str, float], series: MarketSeries, start: pd.Timestamp) -> None:
    """Raise DataError where numbers of an observation, by name, are not known before the interval that starts then."""
    unknown = [name for name, value in observation.items() if not np.isfinite(value)]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"at={start}: the policy observes {unknown[0]!r}{more}, and market {series.name}, which ends at "
            f"{local_time(series, len(series))}, does not hold what is published for it: add files to market.path, or "
            "choose an earlier time"
        )


def refuse_stale(numbers: Sequence[str], series: MarketSeries, row: int) -> None:
    """Raise DataError if an observed forecast has had no new run for long before a row: features hide an old one.

    Args:
        numbers: names of the numbers of an observation, of which those of forecasts begin with the forecast's name.
        series: the market.
        row: the row, which may follow the last one.
    """
    observed = {name for number in numbers for name in number.split(" ")[0].split("/")}
    start = local_time(series, row)
    time = np.datetime64(start.tz_convert("UTC").tz_localize(None), "s")
    for name in observed & set(series.forecasts):
        known = series.forecasts[name]
        newest, longest_h = known.as_of(time), STALE_WAITS * known.usual_wait_h + known.latency_h
        if newest is None or newest.age_h > longest_h:
            age = "no run is published" if newest is None else f"the newest run is {newest.age_h:.3g} h old"
            raise DataError(
                f"at={start}: the policy observes the forecast {name}, of which {age}, and usually one is published "
                f"every {known.usual_wait_h:.3g} h: add newer files to market.forecasts, or choose an earlier time"
            )
