"""Repeated price check: prices of long intervals, repeated in short ones, must not show themselves too early."""

from __future__ import annotations

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.future_values import PRICE, column_lag, is_known_ahead
from battery_lab.market.market_series import MarketSeries


def check_repeated_prices(series: MarketSeries, price_lag: int, bids: bool) -> None:
    """Raise DataError if a policy would see the price of its own interval through the price before it.

    With ``market.resample=repeat``, the price of half an hour stands in six intervals of five minutes. Where only the
    price before the interval is known, the second of the six would show the price that the operator published at the
    end of the half hour. The same holds for measured columns. A price that is published ahead shows nothing new, but
    bids are made as if it were not.

    Args:
        series: the market.
        price_lag: 0 if the price of the interval is known, 1 if only the price before it is.
        bids: whether bids are made.
    """
    if not series.repeats_prices or series.published_interval_h is None:
        return
    measured = [name for name in series.columns if not is_known_ahead(series, name)]
    late = [name for name in measured if column_lag(series, name, price_lag)]
    if price_lag and (bids or not is_known_ahead(series, PRICE)):
        late.insert(0, PRICE)
    if late:
        longest, short = (f"{60 * hours:g}" for hours in (series.published_interval_h[1], series.interval_h))
        names = " and ".join(late)
        raise DataError(
            f"market.resample=repeat has values of {longest} minutes in intervals of {short} minutes: {names} of the "
            "interval before would show that of the interval itself, which is not known yet (env.price_lag=1, "
            "env.actions=bids, or columns beside prices that are published ahead). Choose market.resample=mean, or "
            "files of one interval"
        )
