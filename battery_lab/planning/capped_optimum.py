"""Capped optimum: the best schedule under caps on cycles with all prices known, and an upper bound of its profit.

``daily_cap`` and ``yearly_cap`` plan it. At the best price on throughput, the plans jump from above the yearly cap to
below it, so the schedule follows one of them for a part of the time and then the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.cycle_caps import METER_MWH, Allowance, Ints
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.planning.blended_schedules import splice_to_cap
from battery_lab.planning.daily_cap import day_bounds
from battery_lab.planning.perfect_foresight import Plan, plan
from battery_lab.planning.yearly_cap import Search, Sides, YearlyCap

SAME_ENERGY_SHARE = 0.005  # of the capacity: two plans meet where their stored energy differs by less
LOOSE_SHARE = 0.001  # of the upper bound: a schedule under both caps that is further below it is searched again


@dataclass(frozen=True, kw_only=True, eq=False)
class CappedPlan(Plan):
    """The perfect-foresight schedule under caps on cycles.

    Attributes:
        upper_bound: at least the profit, and no schedule under the caps earns more, up to the rounding of the energy
            grid. That may leave 0.1 % of full power and of the usable energy unused (``optimum_grid``), so a schedule
            off the grid may exceed the bound by about 0.1 %.
    """

    upper_bound: float

    @property
    def duality_gap(self) -> float:
        """Upper bound less profit: what the schedule may fall short of the optimum."""
        return self.upper_bound - self.profit


def capped_plan(
    price: Array, battery: Battery, interval_h: float, day: Ints, gap: NDArray[np.bool_] | None = None
) -> CappedPlan:
    """Return the best schedule of a battery with caps on cycles, with every price known.

    Args:
        price: (T,) currency per MWh.
        battery: the battery; it starts at its ``soc_start``, and energy left at the end is worth nothing.
        interval_h: length of an interval, hours.
        day: (T,) number of the local day of each interval.
        gap: (T,) whether the battery is idle in each row, whatever the price; None: it never is. The yearly cap is pro
            rata to the other rows.

    Raises:
        ValueError: there is a gap, and the battery loses energy in it.
    """
    price = np.array(price, np.float64)
    if gap is None or not gap.any():
        return _CappedProblem(price, battery, interval_h, day).solve()
    if battery.self_discharge_per_day > 0:
        raise ValueError("a battery with caps on cycles and self-discharge cannot be planned over a gap")
    # A battery that keeps its energy in the gap is after it where it was before, so the gap can be left out.
    busy = ~gap
    found = _CappedProblem(price[busy], battery, interval_h, day[busy]).solve()
    request = np.zeros(len(price))
    request[busy] = found.request_mw
    return replace(found, request_mw=request)


class _CappedProblem:
    def __init__(self, price: Array, battery: Battery, interval_h: float, day: Ints) -> None:
        self._price, self._battery, self._interval_h = price, battery, interval_h
        self._allowance: Allowance = battery.allowance(day, interval_h)
        self._uncapped = battery.priced(0.0)
        # Where the whole period may sell no more than a day may, no day can exceed the daily cap.
        self._has_daily_cap = self._allowance.day_mwh < self._allowance.stretch_mwh

    def solve(self) -> CappedPlan:
        uncapped = plan(self._price, self._uncapped, self._interval_h)
        power, _ = self._uncapped.run(uncapped.request_mw, self._interval_h)
        if np.array_equal(power, self._replay(uncapped.request_mw)[0]):
            return CappedPlan(request_mw=uncapped.request_mw, profit=uncapped.profit, upper_bound=uncapped.profit)
        yearly = YearlyCap(self._price, self._uncapped, self._interval_h, self._allowance)
        if not self._has_daily_cap:
            return self._result(yearly.alone())
        search = yearly.with_daily_cap()
        found = self._result(search)
        if search.price is None or found.duality_gap <= LOOSE_SHARE * abs(found.upper_bound):
            return found
        again = self._result(yearly.with_daily_cap_at_each_price(search.price))
        best, bound = max(found, again, key=lambda plan: plan.profit), min(found.upper_bound, again.upper_bound)
        return replace(best, upper_bound=max(bound, best.profit))

    def _candidates(self, sides: Sides) -> list[Array]:
        """Return (T,) requests in MW of schedules around the yearly cap."""
        requests = [self._requests(side.energy_mwh) for side in sides if side is not None]
        if sides.over is not None and sides.under is not None:
            requests.insert(0, self._splice(sides.over.energy_mwh, sides.under.energy_mwh))
        return requests

    def _splice(self, over: Array, under: Array) -> Array:
        """Return the (T,) requests in MW that follow the path over the yearly cap first, and then the one under it."""
        limits, tolerance = self._battery.limits(self._interval_h), SAME_ENERGY_SHARE * self._battery.capacity_mwh
        every = np.arange(len(self._price) + 1)
        joints = day_bounds(self._allowance.day) if self._has_daily_cap else every
        request = splice_to_cap(over, under, self._allowance.stretch_mwh, limits, joints, tolerance)
        return request / self._interval_h

    def _requests(self, energy_mwh: Array) -> Array:
        """Return the (T,) requests in MW that lead along (T + 1,) stored energy."""
        limits = self._battery.limits(self._interval_h)
        rise = np.diff(energy_mwh) + energy_mwh[:-1] * (1 - limits.retention)
        request = -rise * np.where(rise > 0, 1 / limits.charge_efficiency, limits.discharge_efficiency)
        # With self-discharge, an idle interval has a rounding error, of which the meter would count a whole unit.
        return np.asarray(np.where(np.abs(request) < METER_MWH / 2, 0.0, request) / self._interval_h)

    def _result(self, search: Search) -> CappedPlan:
        """Return the schedule that earns most when the battery delivers it under its caps."""
        requests = [request for sides in search.sides for request in self._candidates(sides)]
        delivered = [self._replay(request)[0] for request in requests]
        profits = [self._replay(power)[1] for power in delivered]
        best = int(np.argmax(profits))
        bound = max(search.upper_bound, profits[best])
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
