"""Throughput price: a price per MWh discharged at which a plan keeps a cap on its throughput."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

FIRST_PRICE = 10.0
DOUBLINGS = 30
FACTOR = 4.0  # between the prices of a search for a price near a cap
SECANTS = 8
HALVINGS = 12
CLOSEST = 1e-4  # of the price: a bracket that is narrower is not halved
AIM = 0.003  # of the cap: a step from a price beyond the cap aims so far to its other side
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


class NearCap(NamedTuple):
    """A price at which throughput is near a cap, and by how many MWh throughput falls there per unit of the price."""

    price: float
    fall_per_price: float


def price_near_cap(sold_mwh: Callable[[float], float], cap_mwh: float, tolerance: float) -> NearCap:
    """Return a price at which throughput is near a cap, in few evaluations.

    Args:
        sold_mwh: returns the energy that is discharged at a price, which does not rise with the price.
        cap_mwh: the cap.
        tolerance: how near, as a share of the cap. If throughput jumps across it, the price is near the jump.

    Returns:
        The price and the slope; the price 0 if throughput is not above the cap at the first price that is tried.

    Raises:
        ValueError: throughput exceeds the cap at any price.
    """
    low, high = 0.0, FIRST_PRICE
    over, under = cap_mwh, sold_mwh(high) - cap_mwh
    for _ in range(DOUBLINGS):
        if under <= 0:
            break
        low, high, over = high, FACTOR * high, under
        under = sold_mwh(high) - cap_mwh
    else:
        raise ValueError(f"throughput must fall to the cap of {cap_mwh} MWh at some price, is {over + cap_mwh} MWh")
    if low == 0:
        return NearCap(0.0, cap_mwh / FIRST_PRICE)
    for turn in range(SECANTS):
        # A secant is near the cap soon where throughput is smooth; halving helps where it jumps.
        price = low + (high - low) * (0.5 if turn % 3 == 2 else over / (over - under))
        off = sold_mwh(price) - cap_mwh
        if abs(off) <= tolerance * cap_mwh:
            return NearCap(price, (over - under) / (high - low))
        if off > 0:
            low, over = price, off
        else:
            high, under = price, off
    return NearCap(high, (over - under) / (high - low))


class NearBracket(NamedTuple, Generic[P]):
    """Plans on both sides of a cap, as far as they were found, and the price of the last one that was tried.

    Attributes:
        over: sells more than the cap; None if the plan at a price of 0 sells at most the cap.
        under: sells at most the cap; None if no price was found.
        price: the last price.
    """

    over: P | None
    under: P | None
    price: float


def bracket_cap_near(
    plan_at: Callable[[float], P],
    sold_mwh: Callable[[P], float],
    cap_mwh: float,
    near: NearCap,
    is_close: Callable[[P, P], bool],
) -> NearBracket[P]:
    """Bracket a cap by steps from a price near it, and halve the bracket.

    Args:
        plan_at: returns the best plan at a price.
        sold_mwh: returns what a plan discharges, which does not rise with the price.
        cap_mwh: the cap.
        near: a price near the cap, and the slope of throughput there.
        is_close: whether the plans over and under the cap are close enough.
    """
    over: P | None = None
    under: P | None = None
    low = high = price = near.price
    beyond = AIM * cap_mwh
    for _ in range(DOUBLINGS):
        side = plan_at(price)
        off = sold_mwh(side) - cap_mwh
        if off > 0:
            over, low = side, price
        else:
            under, high = side, price
        if over is not None and under is not None:
            if is_close(over, under) or high - low <= CLOSEST * high:
                break
            price = (low + high) / 2
        elif off <= 0 and price == 0:
            break
        else:
            price = max(price + (off + beyond if off > 0 else off - beyond) / near.fall_per_price, 0.0)
            beyond *= 2
    return NearBracket(over, under, price)


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
