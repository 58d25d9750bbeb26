"""Receding plans: values after every revision are those of a plan that is made from the start."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.planning.bellman_backup import bellman_backup
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid
from battery_lab.planning.receding_plan import clear_plan, new_plan, revise
from tests.small_batteries_and_series import make_battery

ROWS = 60


def from_the_start(price: np.ndarray, now: int, last: int, grid: EnergyGrid) -> np.ndarray:
    value, work = np.zeros(grid.size), np.empty((4, grid.size))
    for row in range(last, now, -1):
        bellman_backup(value, value, work, price[row], grid)
    return value


@pytest.mark.parametrize(
    "changes", [{}, {"self_discharge_per_day": 0.1}, {"grid_fee_per_mwh": 5.0, "wear_per_mwh": 3.0}]
)
@pytest.mark.parametrize("apart", [1, 4])
def test_revised_values_are_those_of_a_new_plan(changes: dict[str, float], apart: int) -> None:
    grid = coarse_grid(make_battery(**changes), 1 / 12)
    rng, plan, last = np.random.default_rng(0), new_plan(ROWS, grid), ROWS - 1
    price = np.repeat(rng.normal(40, 60, ROWS // 6), 6)  # as in half hours, some of them negative
    clear_plan(plan, last)
    for now in range(0, ROWS - apart, apart):
        price[now : now + int(rng.integers(0, 20))] += rng.normal(0, 20)
        revise(plan, price, now, apart, last, grid)
        for row in range(now, now + apart):
            np.testing.assert_allclose(plan.value[row], from_the_start(price, row, last, grid), atol=1e-6)


def test_rows_of_one_price_are_one_step_only_where_that_changes_nothing() -> None:
    grid, price = coarse_grid(make_battery(), 1 / 12), np.full(ROWS, 30.0)
    price[30:] = -200.0  # buying and selling at once pays
    plan = new_plan(ROWS, grid)
    clear_plan(plan, ROWS - 1)
    revise(plan, price, 0, 1, ROWS - 1, grid)
    assert plan.is_known[29:].all()
    assert plan.is_known[:29].sum() == 2
    np.testing.assert_allclose(plan.value[0], from_the_start(price, 0, ROWS - 1, grid), atol=1e-6)
