"""Yearly cap: plans that sell just more and at most what a period's cap allows, and an upper bound of the profit.

The cap gets one price on discharged energy, its Lagrange multiplier, which adds to the wear of the plan but not to the
accounts. Any price m gives an upper bound of the profit under the cap: the profit of the best plan at that price less
m x its discharge, plus m x allowance.

With a daily cap besides, each price needs the values of stored energy under that cap, which are expensive. So a coarse
grid finds the price first. At this price, the values are computed on the fine grid, and schedules at prices close to it
follow these values. On a short period, throughput falls in steps: no price is close to the cap, and these schedules
earn too little. There the values are computed for every price of the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from battery_lab.envs.battery.cycle_caps import Allowance
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.planning.daily_cap import EXACT, QUICK, DailyCap, Effort
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid, with_throughput_price
from battery_lab.planning.perfect_foresight import optimum_grid, plan
from battery_lab.planning.throughput_price import FIRST_PRICE, NearCap, bracket_cap, bracket_cap_near, price_near_cap

CLOSE_SHARE = 0.01  # of the allowance: a search ends when the plans on both sides differ by less
NEAR_SHARE = 0.003  # of the allowance: the search on the coarse grid ends when a plan is this close to it
FAR_SHARE = 0.03  # of the allowance: values are computed again where their plan is further from it
ROUNDS = 3  # the most often that values are computed on the fine grid


class PricedPlan(NamedTuple):
    """The best plan at a price on throughput: its stored energy (T + 1,) and its discharge in MWh."""

    energy_mwh: Array
    sold_mwh: float


class Sides(NamedTuple):
    """Plans on both sides of a cap.

    Attributes:
        over: sells more than the allowance; None if no plan does.
        under: sells at most the allowance; None if none was found.
    """

    over: PricedPlan | None
    under: PricedPlan | None


class Search(NamedTuple):
    """What a search for the price on throughput found.

    Attributes:
        sides: plans on both sides of the cap, of one or several rounds.
        upper_bound: no schedule under the caps earns more, up to the rounding of the energy grid.
        price: the last price on throughput, currency per MWh discharged; None if plans keep the cap without one.
    """

    sides: list[Sides]
    upper_bound: float
    price: float | None


class YearlyCap:
    """A battery with all prices known and a cap on the throughput of the whole period, which may be infinite."""

    def __init__(self, price: Array, battery: Battery, interval_h: float, allowance: Allowance) -> None:
        """Take (T,) prices, and the battery without its caps, which are in the allowance."""
        self._price, self._battery, self._interval_h, self._allowance = price, battery, interval_h, allowance
        self._allowed = allowance.stretch_mwh

    def alone(self) -> Search:
        """Return the plans around the cap, without a daily one."""
        bounds: list[float] = []

        def plan_at(price: float) -> PricedPlan:
            priced = replace(self._battery, wear_per_mwh=self._battery.wear_per_mwh + price)
            best = plan(self._price, priced, self._interval_h)
            bounds.append(best.profit + price * self._allowed)
            return self._run(best.request_mw)

        unpriced = plan_at(0.0)
        if unpriced.sold_mwh <= self._allowed:
            return Search([Sides(None, unpriced)], min(bounds), None)
        found = bracket_cap(plan_at, _sold_mwh, self._allowed, unpriced, self._is_close)
        return Search([Sides(found.over, found.under)], min(bounds), found.price)

    def with_daily_cap(self) -> Search:
        """Return the plans around the cap that keep the daily one, on values at few prices."""
        near = self._near_cap() if np.isfinite(self._allowed) else NearCap(0.0, 0.0)
        bounds: list[float] = []
        sides: list[Sides] = []
        for _ in range(ROUNDS):
            values, first, bound = self._valued(near.price)
            bounds.append(bound)
            if near.price == 0 and first.sold_mwh <= self._allowed:
                return Search([Sides(None, first)], min(bounds), None)
            bracket = bracket_cap_near(
                self._follower(values, near.price, first), _sold_mwh, self._allowed, near, self._is_close
            )
            sides.append(Sides(bracket.over, bracket.under))
            if bracket.over is not None and abs(first.sold_mwh - self._allowed) <= FAR_SHARE * self._allowed:
                break
            near = near._replace(price=bracket.price)
        return Search(sides, min(bounds), near.price)

    def with_daily_cap_at_each_price(self, price: float) -> Search:
        """Return the plans around the cap that keep the daily one, on values for every price of a search from one."""
        bounds: list[float] = []

        def plan_at(other: float) -> PricedPlan:
            _, best, bound = self._valued(other)
            bounds.append(bound)
            return best

        near = NearCap(price, self._allowed / max(price, FIRST_PRICE))
        found = bracket_cap_near(plan_at, _sold_mwh, self._allowed, near, self._is_close)
        return Search([Sides(found.over, found.under)], min(bounds), found.price)

    def _valued(self, price: float) -> tuple[DailyCap, PricedPlan, float]:
        """Return the values under the daily cap at a price on throughput, the plan there, and the upper bound."""
        values = self._daily_cap(price, optimum_grid(self._battery, self._interval_h), EXACT)
        best = values.plan(self._battery.energy_start_mwh)
        bound = best.bound + (price * self._allowed if price else 0.0)
        return values, self._run(best.request_mwh / self._interval_h), bound

    def _near_cap(self) -> NearCap:
        """Return a price near the cap, from plans on a coarse grid."""
        grid, start = coarse_grid(self._battery, self._interval_h), self._battery.energy_start_mwh

        def sold(price: float) -> float:
            request = self._daily_cap(price, grid, QUICK).plan(start).request_mwh
            return float(np.maximum(request, 0.0).sum())

        return price_near_cap(sold, self._allowed, NEAR_SHARE)

    def _daily_cap(self, price: float, grid: EnergyGrid, effort: Effort) -> DailyCap:
        priced = with_throughput_price(grid, price)
        return DailyCap(self._price, priced, self._allowance.day, self._allowance.day_mwh, effort)

    def _follower(self, values: DailyCap, price: float, first: PricedPlan) -> Callable[[float], PricedPlan]:
        """Return what plans at other prices, on values of stored energy at one price, whose plan is known."""

        def plan_at(other: float) -> PricedPlan:
            if other == price:
                return first
            days = values.plan(self._battery.energy_start_mwh, other - price)
            return self._run(days.request_mwh / self._interval_h)

        return plan_at

    def _is_close(self, over: PricedPlan, under: PricedPlan) -> bool:
        return over.sold_mwh - under.sold_mwh <= CLOSE_SHARE * self._allowed

    def _run(self, request_mw: Array) -> PricedPlan:
        power, energy = self._battery.run(request_mw, self._interval_h)
        return PricedPlan(energy, float(np.maximum(power, 0.0).sum()) * self._interval_h)


def _sold_mwh(side: PricedPlan) -> float:
    return side.sold_mwh
