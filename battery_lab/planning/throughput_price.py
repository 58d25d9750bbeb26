"""Throughput price: a price per MWh discharged at which a plan keeps a cap on its throughput in the mean."""

from __future__ import annotations

from collections.abc import Callable

FIRST_PRICE = 10.0
DOUBLINGS = 30
HALVINGS = 12
TOLERANCE = 0.01  # of the cap; a plan that is this close below it is accepted


def fit_throughput_price(sold_mwh: Callable[[float], float], cap_mwh: float) -> float:
    """Return the smallest price at which throughput is at most a cap, by bisection; 0 if it is without a price.

    Args:
        sold_mwh: returns the energy that is discharged at a price, which does not rise with the price.
        cap_mwh: the cap.

    Returns:
        The price, currency per MWh discharged. At it, throughput is at most the cap.

    Raises:
        ValueError: throughput exceeds the cap at any price; that of an optimal plan does not, as a discharge then costs
            more than it can earn.
    """
    if sold_mwh(0.0) <= cap_mwh:
        return 0.0
    low, high = 0.0, FIRST_PRICE
    for _ in range(DOUBLINGS):
        sold = sold_mwh(high)
        if sold <= cap_mwh:
            break
        low, high = high, 2 * high
    else:
        raise ValueError(f"throughput must fall to the cap of {cap_mwh} MWh at some price, is {sold} MWh at {low:g}")
    for _ in range(HALVINGS):
        if sold >= (1 - TOLERANCE) * cap_mwh:
            break
        middle = (low + high) / 2
        at_middle = sold_mwh(middle)
        if at_middle <= cap_mwh:
            high, sold = middle, at_middle
        else:
            low = middle
    return high
