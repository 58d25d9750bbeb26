"""Energy grid: evenly spaced levels of stored energy, which dynamic programming moves a battery between.

Full charge and discharge steps span whole levels. Perfect foresight, the receding horizon and the stochastic dynamic
programme share the grid.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numba as nb
import numpy as np

from battery_lab.common.errors import require
from battery_lab.envs.battery.delivery import Limits
from battery_lab.envs.battery.physics import Battery

ON_LEVEL = 1e-6  # positions this close, in levels, count as equal
MAX_LEVELS = 20_000
FINEST = 1e-5  # least share of usable energy that one interval must be able to move


class EnergyGrid(NamedTuple):
    """A battery over one dispatch interval, on evenly spaced levels of stored energy that include its start.

    Attributes:
        lowest_mwh: stored energy of level 0, MWh.
        step_mwh: stored energy between two levels, MWh.
        size: number of levels.
        floor: lowest level that discharging may reach; only self-discharge reaches lower ones.
        charge: largest number of levels that charging rises by in an interval.
        discharge: largest number of levels that discharging falls by in an interval.
        bought_mwh: energy bought at the grid connection per level of rise, MWh.
        sold_mwh: energy sold at the grid connection per level of fall, MWh.
        grid_fee_per_mwh: network charge per MWh bought, in the market's currency.
        wear_per_mwh: wear cost per MWh sold, in the market's currency.
        wear_per_mwh_charged: wear cost per MWh bought, in the market's currency.
        limits: the battery's limits over the interval.
    """

    lowest_mwh: float
    step_mwh: float
    size: int
    floor: int
    charge: int
    discharge: int
    bought_mwh: float
    sold_mwh: float
    grid_fee_per_mwh: float
    wear_per_mwh: float
    wear_per_mwh_charged: float
    limits: Limits


@nb.njit(cache=True)
def with_throughput_price(grid: EnergyGrid, price: float) -> EnergyGrid:
    """Return the grid with a price per MWh sold added to the wear, to plan with."""
    # By name: compiled code knows no ``_replace``, and refuses a field that is missing here.
    return EnergyGrid(
        lowest_mwh=grid.lowest_mwh,
        step_mwh=grid.step_mwh,
        size=grid.size,
        floor=grid.floor,
        charge=grid.charge,
        discharge=grid.discharge,
        bought_mwh=grid.bought_mwh,
        sold_mwh=grid.sold_mwh,
        grid_fee_per_mwh=grid.grid_fee_per_mwh,
        wear_per_mwh=grid.wear_per_mwh + price,
        wear_per_mwh_charged=grid.wear_per_mwh_charged,
        limits=grid.limits,
    )


def fit_grid(battery: Battery, interval_h: float, *, at_least: int, tolerance: float) -> EnergyGrid:
    """Return the grid with the fewest levels that fits a battery's steps and limits.

    Args:
        battery: the battery.
        interval_h: length of a dispatch interval, hours.
        at_least: smallest number of levels, for moves at part power.
        tolerance: largest share of full power and of usable energy lost by rounding to whole levels. If no grid of up
            to 20,000 levels keeps it, the grid with the smallest loss is returned.

    Returns:
        The grid; the battery's start is one of its levels, up to rounding.

    Raises:
        ConfigError: the battery would need more than 100,000 intervals to fill.
    """
    limits, start = battery.limits(interval_h), battery.energy_start_mwh
    rise = limits.power_mwh * limits.charge_efficiency
    fall = limits.power_mwh / limits.discharge_efficiency
    # Self-discharge takes the store below the minimum of discharging, down to zero.
    lowest = 0.0 if limits.retention < 1 else limits.energy_min_mwh
    above, below = limits.energy_max_mwh - start, start - lowest
    rule = f"must move at least {FINEST * 100}% of the usable {above + below} MWh in an interval of {interval_h} h"
    require(rise >= FINEST * (above + below), "battery.power_mw", rule, battery.power_mw)
    step = _best_step(rise, fall, above, below, at_least, tolerance)
    down = int(below / step + ON_LEVEL)
    origin = start - down * step
    return EnergyGrid(
        lowest_mwh=origin,
        step_mwh=step,
        size=down + int(above / step + ON_LEVEL) + 1,
        floor=max(ceil((limits.energy_min_mwh - origin) / step - ON_LEVEL), 0),
        charge=int(rise / step + ON_LEVEL),
        discharge=int(fall / step + ON_LEVEL),
        bought_mwh=step / limits.charge_efficiency,
        sold_mwh=step * limits.discharge_efficiency,
        grid_fee_per_mwh=battery.grid_fee_per_mwh,
        wear_per_mwh=battery.wear_per_mwh,
        wear_per_mwh_charged=battery.wear_per_mwh_charged,
        limits=limits,
    )


def coarse_grid(battery: Battery, interval_h: float) -> EnergyGrid:
    """Return a coarse grid for plans on uncertain prices, whose uncertainty far exceeds its rounding error."""
    return fit_grid(battery, interval_h, at_least=100, tolerance=5e-3)


def _best_step(rise: float, fall: float, above: float, below: float, at_least: int, tolerance: float) -> float:
    """Search, coarsest first, level sizes that divide a full step, a side of the start or the usable energy."""
    usable = above + below
    parts = np.arange(1, MAX_LEVELS + 1)
    step = np.concatenate([length / parts for length in (rise, fall, above, below, usable) if length > 0])
    finest = min(usable / MAX_LEVELS, rise)  # a full step spans at least one level
    step = -np.sort(-step[(step <= usable / at_least) & (step >= finest)])
    size = np.floor(above / step + ON_LEVEL) + np.floor(below / step + ON_LEVEL)
    lost = 1 - size * step / usable
    for full in (rise, fall):
        whole = np.floor(full / step + ON_LEVEL)
        # A full step that spans the whole store never binds, so its rounding loses nothing.
        lost = np.maximum(lost, np.where(whole >= size, 0.0, 1 - whole * step / full))
    good = np.flatnonzero(lost <= tolerance)
    return float(step[good[0] if len(good) else int(np.argmin(lost))])
