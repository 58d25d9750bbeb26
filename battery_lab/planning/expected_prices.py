"""Expected prices: the coming prices by a published forecast, or else by the same time of past days."""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.physics import Array


@nb.njit(cache=True)
def newest_known(price: Array, row: int) -> int:
    """Return the newest row up to ``row`` whose price is not NaN; the first one if there is none."""
    while row > 0 and np.isnan(price[row]):
        row -= 1
    return row


@nb.njit(cache=True)
def expect_prices(
    ahead: Array, t: int, lag: int, price: Array, published: Array, lead: int, calendar: tuple[int, int]
) -> None:
    """Write the expected price of row t + k to ``ahead[k]``, from known prices and published forecasts only.

    Args:
        ahead: (K,) the expected prices.
        t: the row that is dispatched.
        lag: how many rows before it the last known price is; negative: how many rows after it.
        price: (T,) prices; one that is NaN is not known.
        published: (T,) forecasts.
        lead: how many rows after ``t`` the last known forecast is; -1 if there is none.
        calendar: rows per day, and the number of past days in a mean.
    """
    day, days = calendar
    last = t - lag
    newest = newest_known(price, last)
    for k in range(len(ahead)):
        if k <= lead and t + k < len(published):
            ahead[k] = published[t + k]
            continue
        total, number = 0.0, 0
        row = t + k - day * ((t + k - last + day - 1) // day)  # the latest known row at this time of day
        for _ in range(days):
            if row < 0:
                break
            if not np.isnan(price[row]):
                total, number = total + price[row], number + 1
            row -= day
        ahead[k] = total / number if number > 0 else price[newest]
