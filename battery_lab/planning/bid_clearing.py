"""Bid clearing: the request of a battery that bids to buy and offers to sell, once the interval's price is known.

A battery submits a bid and an offer before the price of an interval is known. The market clears them:

- It buys at full power if the price is below its bid.
- It sells at full power if the price is above its offer.
- It holds at any other price; a price equal to the bid or to the offer clears neither.

A bid above the offer is replaced, together with the offer, by the mean of both, so that nothing is bought and sold in
one interval. Prices may be on any increasing scale; the mean is taken on it. Limits of the store reduce a cleared
request when it is delivered (``Battery.step``).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from battery_lab.envs.battery.physics import Array


def clear(bid: Array, offer: Array, price: Array, power_mw: float) -> Array:
    """Return the (N,) requests of cleared bids and offers in MW, + discharges.

    Args:
        bid: (N,) highest prices to buy at, currency per MWh; -inf never buys.
        offer: (N,) lowest prices to sell at; inf never sells.
        price: (N,) prices of the interval.
        power_mw: full power.

    Raises:
        ValueError: the shapes differ, a number is NaN, or a bid is inf with an offer of -inf.
    """
    bid, offer, price = (np.ascontiguousarray(values, np.float64) for values in (bid, offer, price))
    if price.ndim != 1 or not bid.shape == offer.shape == price.shape:
        raise ValueError(f"bid, offer and price must be (N,) arrays, got {bid.shape}, {offer.shape}, {price.shape}")
    if np.isnan([bid, offer, price]).any() or ((bid == np.inf) & (offer == -np.inf)).any():
        raise ValueError("bids, offers and prices must be numbers, and no bid inf with an offer of -inf")
    return np.asarray(_clear(bid, offer, price, power_mw))


@nb.njit(cache=True)
def cleared(bid: float, offer: float, price: float) -> int:
    """Return -1 to buy, 1 to sell and 0 to hold, for compiled code."""
    if bid > offer:
        bid = offer = 0.5 * (bid + offer)
    if price < bid:
        return -1
    return 1 if price > offer else 0


@nb.njit(cache=True)
def _clear(bid: Array, offer: Array, price: Array, power_mw: float) -> Array:
    request = np.empty_like(price)
    for n in range(len(price)):
        request[n] = cleared(bid[n], offer[n], price[n]) * power_mw
    return request
