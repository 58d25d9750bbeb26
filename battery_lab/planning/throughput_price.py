"""Throughput price: a price per MWh discharged at which a plan keeps a cap on its throughput."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

FIRST_PRICE = 10.0
DOUBLINGS = 30
HALVINGS = 12
TOLERANCE = 0.01  # of the cap; a plan that is this close below it is accepted

P = TypeVar("P")


class Bracket(NamedTuple, Generic[P]):
    """Plans on both sides of a cap: ``over`` sells more, ``under`` at most the cap, at ``price``."""

    over: P
    under: P
    price: float


def bracket_cap(
    plan_at: Callable[[float], P],
    sold_mwh: Callable[[P], float],
    cap_mwh: float,
    free: P,
    is_close: Callable[[P, P], bool],
) -> Bracket[P]:
    """Bisect the price on throughput.

    Args:
        plan_at: returns the best plan at a price, currency per MWh discharged.
        sold_mwh: returns what a plan discharges, which does not rise with the price.
        cap_mwh: the cap.
        free: the plan at a price of 0, which discharges more than the cap.
        is_close: whether the plans over and under the cap are close enough.

    Raises:
        ValueError: throughput exceeds the cap at any price; that of an optimal plan does not, as a discharge then costs
            more than it can earn.
    """
    over, low, high = free, 0.0, FIRST_PRICE
    for _ in range(DOUBLINGS):
        under = plan_at(high)
        if sold_mwh(under) <= cap_mwh:
            break
        over, low, high = under, high, 2 * high
    else:
        sold = sold_mwh(over)
        raise ValueError(f"throughput must fall to the cap of {cap_mwh} MWh at some price, is {sold} MWh at {low:g}")
    for _ in range(HALVINGS):
        if is_close(over, under):
            break
        middle = (low + high) / 2
        side = plan_at(middle)
        if sold_mwh(side) <= cap_mwh:
            under, high = side, middle
        else:
            over, low = side, middle
    return Bracket(over, under, high)


def fit_throughput_price(sold_mwh: Callable[[float], float], cap_mwh: float) -> float:
    """Return the smallest price at which throughput is at most a cap, by bisection; 0 if it is without a price.

    Args:
        sold_mwh: returns the energy that is discharged at a price, which does not rise with the price.
        cap_mwh: the cap.

    Returns:
        The price, currency per MWh discharged. At it, throughput is at most the cap.

    Raises:
        ValueError: throughput exceeds the cap at any price.
    """
    free = sold_mwh(0.0)
    if free <= cap_mwh:
        return 0.0
    accepted = (1 - TOLERANCE) * cap_mwh
    return bracket_cap(sold_mwh, lambda sold: sold, cap_mwh, free, lambda _, under: under >= accepted).price
