"""Price plausibility: prices that no market settles are refused, and prices in an implausible unit are noted.

One price of 1e9 in the training period spoils the scales of a policy, and one in the test period spoils what it is
compared with. So prices are checked against a range: that of ``market.price_range``, that of the operator, or else one
that follows from the prices themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from battery_lab.market.file_formats.rows_with_source import Rows

Array = NDArray[np.float64]
Range = tuple[Array | float, Array | float]

# Prices of nodes, hubs and zones go beyond the caps of offers, of which the highest was 9,000 USD per MWh (Texas until
# 2021), by scarcity and congestion. Beyond this range, a price is taken for an error.
LOCAL_PRICES: Range = (-20_000.0, 20_000.0)
# Without an operator's range: this many times the median magnitude of the prices, but at least an amount that is
# possible in every market. Real markets reach about 500 times their median.
TIMES_MEDIAN, ALWAYS_POSSIBLE = 1_000, 25_000.0
# Almost all prices below this magnitude are not per MWh, in any currency.
PER_KWH = 5.0
# In these currencies, a median price above this magnitude is not per MWh of one unit of the currency.
USUAL_CURRENCIES, TOO_DEAR = ("AUD", "CAD", "CHF", "EUR", "GBP", "NZD", "SGD", "USD"), 1_500.0


def usual_range(price: Array) -> Range:
    """Return the lowest and the highest plausible price of a market whose limits are not known."""
    known = price[np.isfinite(price)]
    median = float(np.median(np.abs(known))) if len(known) else 0.0
    limit = max(ALWAYS_POSSIBLE, TIMES_MEDIAN * median)
    return -limit, limit


def check_prices(rows: Rows, limits: Range, source: str) -> None:
    """Raise DataError where a price is beyond its limits.

    Args:
        rows: the rows; NaN prices are missing ones.
        limits: lowest and highest price, for all rows or (N,) for each.
        source: where the limits come from, for the message.
    """
    price = rows.frame["price"].to_numpy(np.float64)
    low, high = (np.broadcast_to(np.asarray(limit, np.float64), price.shape) for limit in limits)
    wrong = (price < low) | (price > high)
    if wrong.any():
        i = int(np.argmax(wrong))
        first = f"the price is {price[i]:,.10g} at {rows.stamp(i)}, beyond {source}, {low[i]:,.10g} to {high[i]:,.10g}"
        widest = [f"{np.floor(np.nanmin(price)):.0f}", f"{np.ceil(np.nanmax(price)):.0f}"]
        remedy = (
            "Correct the row, or leave the price empty and choose market.gaps=fill or split; if the price is right, "
            f"allow it: market.price_range=[{','.join(widest)}]"
        )
        others = f" ({wrong.sum():,} such rows)" if wrong.sum() > 1 else ""
        raise rows.error(i, first + others, remedy)


def unit_note(price: Array, currency: str) -> str | None:
    """Return a sentence if the magnitude of (T,) prices does not fit a price per MWh, else None."""
    size = np.abs(price)
    most, median = float(np.quantile(size, 0.99)), float(np.median(size))
    if 0 < most < PER_KWH:
        return (
            f"99 % of the prices are from {-most if price.min() < 0 else 0:.3g} to {most:.3g} {currency}, so they look "
            "like prices per kWh: the lab reads them per MWh. Multiply them by 1,000, or confirm them with "
            "market.price_range=[lowest,highest]"
        )
    if currency in USUAL_CURRENCIES and median > TOO_DEAR:
        return (
            f"half of the prices are above {median:,.0f} {currency}, which is much for a MWh: check their unit, or "
            "confirm them with market.price_range=[lowest,highest]"
        )
    return None
