"""Receding plan: the value of stored energy along expected prices, of which only what has changed is computed again.

Forecasts are revised piece by piece: every five minutes for the coming hour, say, and every half hour for the rest of
the day. A plan therefore keeps its end for a while, and a revision is carried back from the last price that it changes.
Rows with the same expected price, such as those of one interval of a coarse forecast, are one step.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array
from battery_lab.planning.bellman_backup import bellman_backup, move_costs
from battery_lab.planning.energy_grid import EnergyGrid


class Plan(NamedTuple):
    """A plan over up to L rows.

    Attributes:
        value: (L, size) value of stored energy after each row, where ``is_known``.
        price: (L,) expected price of each row that the values are of.
        is_known: (L,) whether the value after a row is computed: not within rows that are one step.
        work: (4, size) scratch space.
    """

    value: Array
    price: Array
    is_known: NDArray[np.bool_]
    work: Array


def new_plan(rows: int, grid: EnergyGrid) -> Plan:
    """Return room for a plan over a number of rows."""
    return Plan(np.zeros((rows, grid.size)), np.zeros(rows), np.zeros(rows, np.bool_), np.empty((4, grid.size)))


@nb.njit(cache=True)
def clear_plan(plan: Plan, last: int) -> None:
    """Forget all values; energy that is left after row ``last`` has none."""
    plan.is_known[:] = False
    plan.value[last] = 0.0
    plan.is_known[last] = True


@nb.njit(cache=True)
def last_change(plan: Plan, price: Array, first: int, last: int) -> int:
    """Return the last row of ``first`` to ``last`` with another expected price than in the plan; -1: none."""
    for row in range(last, first - 1, -1):
        if price[row] != plan.price[row]:
            return row
    return -1


@nb.njit(cache=True)
def revise(plan: Plan, price: Array, now: int, apart: int, last: int, grid: EnergyGrid) -> None:
    """Bring the values after rows ``now`` to before ``now + apart`` up to date.

    Args:
        plan: the plan; its values beyond the last price that changes are taken as they are.
        price: (L,) expected price of each row after ``now``.
        now: the first of these rows.
        apart: number of rows until the next plan, whose values are needed one by one.
        last: last row of the plan.
        grid: the battery on its grid.
    """
    changed = last_change(plan, price, now + 1, last)
    row = min(max(changed, now + apart), last)
    while not plan.is_known[row]:
        row += 1
    plan.price[now + 1 : last + 1] = price[now + 1 : last + 1]
    while row > now:
        length = _same_price(price, row, now + apart, grid)
        backed_up = grid if length == 1 else _longer_step(grid, length)
        bellman_backup(plan.value[row], plan.value[row - length], plan.work, price[row], backed_up)
        plan.is_known[row - length : row] = False
        plan.is_known[row - length] = True
        row -= length


@nb.njit(cache=True)
def _same_price(price: Array, row: int, lowest: int, grid: EnergyGrid) -> int:
    """Return how many rows up to a row, none before ``lowest``, are one step without a change of the value.

    Their moves add up if a MWh bought costs at least what it earns when sold in the same rows, and nothing is lost
    between them.
    """
    bought, sold = move_costs(price[row], grid)
    if grid.limits.retention < 1 or bought < sold:
        return 1
    length = 1
    while row - length > lowest and price[row - length] == price[row]:
        length += 1
    return length


@nb.njit(cache=True)
def _longer_step(grid: EnergyGrid, length: int) -> EnergyGrid:
    """Return the grid over a step of several rows."""
    # By name: compiled code knows no ``_replace``, and refuses a field that is missing here.
    return EnergyGrid(
        lowest_mwh=grid.lowest_mwh,
        step_mwh=grid.step_mwh,
        size=grid.size,
        floor=grid.floor,
        charge=grid.charge * length,
        discharge=grid.discharge * length,
        bought_mwh=grid.bought_mwh,
        sold_mwh=grid.sold_mwh,
        grid_fee_per_mwh=grid.grid_fee_per_mwh,
        wear_per_mwh=grid.wear_per_mwh,
        wear_per_mwh_charged=grid.wear_per_mwh_charged,
        limits=grid.limits,
    )
