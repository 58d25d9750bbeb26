"""Capped optimum: the best schedule under caps on cycles with all prices known, and an upper bound of its profit.

A daily cap is solved by ``daily_cap``. A yearly cap gets one price on discharged energy, its Lagrange multiplier, which
adds to the wear of the plan but not to the accounts. Any price m gives an upper bound of the profit under the cap: the
profit of the best plan at that price, m x its discharge included, plus m x allowance. The plans jump at the best price
from above the cap to below it, so the schedule follows one of them for a part of the time and then the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from battery_lab.envs.battery.cycle_caps import Allowance, Ints
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.planning.blended_schedules import splice_to_cap
from battery_lab.planning.daily_cap import daily_cap_plan, day_bounds
from battery_lab.planning.perfect_foresight import Plan, optimum_grid, plan
from battery_lab.planning.throughput_price import bracket_cap

CLOSE_SHARE = 0.01  # of the allowance: bisection ends when the plans on both sides differ by less
SAME_ENERGY_SHARE = 0.005  # of the capacity: two plans meet where their stored energy differs by less


@dataclass(frozen=True, kw_only=True, eq=False)
class CappedPlan(Plan):
    """The perfect-foresight schedule under caps on cycles.

    Attributes:
        upper_bound: no schedule under the caps earns more, up to the rounding of the energy grid, which can put the
            bound slightly below a profit that was earned.
    """

    upper_bound: float

    @property
    def duality_gap(self) -> float:
        """Upper bound less profit: what the schedule may fall short of the optimum."""
        return self.upper_bound - self.profit


def capped_plan(price: Array, battery: Battery, interval_h: float, day: Ints) -> CappedPlan:
    """Return the best schedule of a battery with caps on cycles, with every price known.

    Args:
        price: (T,) currency per MWh.
        battery: the battery; it starts at its ``soc_start``, and energy left at the end is worth nothing.
        interval_h: length of an interval, hours.
        day: (T,) number of the local day of each interval.
    """
    return _CappedProblem(np.array(price, np.float64), battery, interval_h, day).solve()


@dataclass(frozen=True, eq=False)
class _PricedPlan:
    """The best plan at a price on throughput: its stored energy (T + 1,), discharge in MWh, and bound at that price."""

    energy_mwh: Array
    sold_mwh: float
    bound: float


class _CappedProblem:
    def __init__(self, price: Array, battery: Battery, interval_h: float, day: Ints) -> None:
        self._price, self._battery, self._interval_h = price, battery, interval_h
        self._allowance: Allowance = battery.allowance(day, interval_h)
        self._uncapped = battery.priced(0.0)

    def solve(self) -> CappedPlan:
        uncapped = plan(self._price, self._uncapped, self._interval_h)
        power, _ = self._uncapped.run(uncapped.request_mw, self._interval_h)
        if np.array_equal(power, self._replay(uncapped.request_mw)[0]):
            return CappedPlan(request_mw=uncapped.request_mw, profit=uncapped.profit, upper_bound=uncapped.profit)
        unpriced = self._plan_at(0.0)
        if unpriced.sold_mwh <= self._allowance.stretch_mwh:
            return self._result([self._requests(unpriced.energy_mwh)], unpriced.bound)
        over, under, bound = self._bisect(unpriced)
        all_rows = np.arange(len(self._price) + 1)
        spliced = splice_to_cap(
            over.energy_mwh,
            under.energy_mwh,
            self._allowance.stretch_mwh,
            self._battery.limits(self._interval_h),
            day_bounds(self._allowance.day) if np.isfinite(self._allowance.day_mwh) else all_rows,
            SAME_ENERGY_SHARE * self._battery.capacity_mwh,
        )
        unspliced = [self._requests(side.energy_mwh) for side in (over, under)]
        return self._result([spliced / self._interval_h, *unspliced], bound)

    def _bisect(self, unpriced: _PricedPlan) -> tuple[_PricedPlan, _PricedPlan, float]:
        """Return plans that sell just more and at most the allowance, and the smallest upper bound."""
        allowed, bounds = self._allowance.stretch_mwh, [unpriced.bound]

        def bounded_plan_at(price: float) -> _PricedPlan:
            side = self._plan_at(price)
            bounds.append(side.bound + price * allowed)
            return side

        def is_close(over: _PricedPlan, under: _PricedPlan) -> bool:
            return over.sold_mwh - under.sold_mwh <= CLOSE_SHARE * allowed

        sides = bracket_cap(bounded_plan_at, lambda side: side.sold_mwh, allowed, unpriced, is_close)
        return sides.over, sides.under, min(bounds)

    def _plan_at(self, throughput_price: float) -> _PricedPlan:
        """Return the best plan under the daily cap alone, with a price on throughput."""
        priced = replace(self._uncapped, wear_per_mwh=self._uncapped.wear_per_mwh + throughput_price)
        if np.isfinite(self._allowance.day_mwh):
            start, grid = priced.energy_start_mwh, optimum_grid(priced, self._interval_h)
            days = daily_cap_plan(self._price, start, grid, self._allowance.day, self._allowance.day_mwh)
            request, bound = days.request_mwh / self._interval_h, days.bound
        else:
            best = plan(self._price, priced, self._interval_h)
            request, bound = best.request_mw, best.profit
        power, energy = priced.run(request, self._interval_h)
        return _PricedPlan(energy, float(np.maximum(power, 0.0).sum()) * self._interval_h, bound)

    def _requests(self, energy_mwh: Array) -> Array:
        """Return the (T,) requests in MW that lead along (T + 1,) stored energy."""
        limits = self._battery.limits(self._interval_h)
        rise = np.diff(energy_mwh) + energy_mwh[:-1] * (1 - limits.retention)
        factor = np.where(rise > 0, 1 / limits.charge_efficiency, limits.discharge_efficiency)
        return np.asarray(-rise * factor / self._interval_h)

    def _result(self, requests: list[Array], bound: float) -> CappedPlan:
        """Return the schedule that earns most when the battery delivers it under its caps."""
        delivered = [self._replay(request)[0] for request in requests]
        profits = [self._replay(power)[1] for power in delivered]
        best = int(np.argmax(profits))
        return CappedPlan(request_mw=delivered[best], profit=profits[best], upper_bound=bound)

    def _replay(self, request_mw: Array) -> tuple[Array, float]:
        """Return (T,) delivered power in MW and the profit."""
        power, energy = self._battery.run(request_mw, self._interval_h, allowance=self._allowance)
        replayed = Transition(
            row=np.arange(len(self._price)),
            price=self._price,
            request_mw=request_mw,
            power_mw=power,
            energy_mwh=energy[:-1],
            energy_after_mwh=energy[1:],
            interval_h=self._interval_h,
            battery=self._battery,
        )
        return power, float(replayed.profit.sum())
