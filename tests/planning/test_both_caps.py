"""A daily and a yearly cap together: compared with an exact programme, with one cap alone, and with the bound."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.planning.capped_optimum import capped_plan
from tests.planning.test_capped_optimum import LOSSY, SMALL, check_replay, days_of
from tests.small_batteries_and_series import make_battery, wavy_prices

PER_DAY, STEP_MWH = 24, 5.0


def exact_profit(price, day, battery, day_mwh, total_mwh):
    """Return the best profit on a grid of stored energy and of both budgets, in steps, by brute force.

    Discharging is without loss.
    """
    levels = round(battery.capacity_mwh / STEP_MWH) + 1
    most = round(battery.power_mw / STEP_MWH)
    most_up = int(battery.power_mw * battery.charge_efficiency / STEP_MWH + 1e-9)
    daily, total = round(day_mwh / STEP_MWH), round(total_mwh / STEP_MWH)
    value = np.zeros((daily + 1, total + 1, levels))
    for t in range(len(price) - 1, -1, -1):
        if t + 1 < len(price) and day[t + 1] != day[t]:
            value = np.repeat(value[-1:], daily + 1, axis=0)
        best = np.full_like(value, -np.inf)
        for move in range(-most_up, most + 1):  # levels sold
            low, high, sold = max(move, 0), levels + min(move, 0), max(move, 0)
            bought = max(-move, 0) / battery.charge_efficiency
            gain = price[t] * (sold - bought) * STEP_MWH - battery.wear_per_mwh * sold * STEP_MWH
            target = value[: daily + 1 - sold, : total + 1 - sold, low - move : high - move] + gain
            best[sold:, sold:, low:high] = np.maximum(best[sold:, sold:, low:high], target)
        value = best
    return float(value[-1, -1, round(battery.soc_start * (levels - 1))])


@pytest.mark.parametrize("below_zero", [None, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_both_caps_earn_what_an_exact_programme_earns(seed, below_zero):
    rng = np.random.default_rng(seed)
    days = int(rng.integers(3, 9))
    price = wavy_prices(days, seed, PER_DAY)
    price -= 0 if below_zero is None else np.quantile(price, below_zero)
    daily = 40 * float(rng.choice([0.5, 0.75, 1.0]))
    total = STEP_MWH * round(daily * days * rng.uniform(0.4, 0.9) / STEP_MWH)
    fields = (SMALL if below_zero is None else LOSSY) | {"wear_per_mwh": float(rng.choice([0.0, 5.0]))}
    caps = {"max_cycles_per_day": daily / 40, "max_cycles_per_year": total / 40 * 365 / days}
    battery = make_battery(**fields, **caps)
    found = capped_plan(price, battery, 1.0, days_of(price))
    check_replay(found, price, battery, 1.0, days_of(price))
    exact = exact_profit(price, days_of(price), battery.priced(0.0), daily, total)
    # The exact programme knows whole steps of 5 MWh only.
    assert found.profit >= exact * (1 - 0.003)
    assert found.upper_bound >= exact * (1 - 1e-9)


def uneven_prices(days, seed):
    """Return hourly prices whose days differ in level, so that the cost of throughput stops them one by one."""
    rng = np.random.default_rng(seed)
    t = np.arange(days * PER_DAY)
    level = np.repeat(rng.normal(0, 15, days), PER_DAY)
    return 50 + 40 * np.sin(t * 2 * np.pi / PER_DAY) + rng.normal(0, 10, len(t)) + level


@pytest.mark.parametrize("changes", [{}, {"self_discharge_per_day": 0.02}])
@pytest.mark.parametrize("below", [0.0, 45.0])
@pytest.mark.parametrize(("days", "seed"), [(5, 4), (10, 3)])
def test_few_days_of_a_small_store_leave_a_small_gap(days, seed, below, changes):
    price = uneven_prices(days, seed) - below
    battery = make_battery(capacity_mwh=20.0, max_cycles_per_day=1.0, max_cycles_per_year=200.0, **changes)
    found = capped_plan(price, battery, 1.0, days_of(price))
    check_replay(found, price, battery, 1.0, days_of(price))
    assert found.duality_gap <= 0.003 * found.profit


@pytest.mark.parametrize("below", [0.0, 45.0, 100.0])
@pytest.mark.parametrize("per_year", [1e-6, 10.0, 60.0])
def test_a_daily_cap_that_allows_all_of_the_yearly_one_changes_nothing(per_year, below):
    price = uneven_prices(3, 1) - below
    yearly, both = (
        capped_plan(price, make_battery(max_cycles_per_year=per_year, **daily), 1.0, days_of(price))
        for daily in ({}, {"max_cycles_per_day": 0.5})
    )
    np.testing.assert_array_equal(both.request_mw, yearly.request_mw)
    assert both.upper_bound == yearly.upper_bound


@pytest.mark.parametrize("per_day", [None, 1e-6, 0.5])
def test_no_schedule_earns_more_than_its_bound_or_less_than_under_a_tighter_cap(per_day):
    # All prices are below zero: filling the store pays, also the last part of a level of the energy grid.
    price = -50 + 40 * np.sin(np.arange(PER_DAY) * 2 * np.pi / PER_DAY)
    battery, tighter = (
        make_battery(capacity_mwh=20.0, max_cycles_per_day=daily, max_cycles_per_year=1e-6) for daily in (per_day, 1e-6)
    )
    found = capped_plan(price, battery, 1.0, days_of(price))
    assert found.duality_gap >= 0
    assert found.profit >= capped_plan(price, tighter, 1.0, days_of(price)).profit


def test_a_yearly_cap_that_the_daily_one_keeps_changes_nothing():
    price = wavy_prices(12, 1, 48)
    daily, both = (
        capped_plan(price, make_battery(max_cycles_per_day=0.5, **yearly), 0.5, days_of(price, 48))
        for yearly in ({}, {"max_cycles_per_year": 0.5 * 365})
    )
    np.testing.assert_array_equal(both.request_mw, daily.request_mw)
    assert both.upper_bound == daily.upper_bound


def test_a_daily_cap_that_never_binds_leaves_what_the_yearly_cap_earns():
    price = wavy_prices(12, 2, 48)
    yearly, both = (
        capped_plan(price, make_battery(max_cycles_per_year=200.0, **daily), 0.5, days_of(price, 48))
        for daily in ({}, {"max_cycles_per_day": 12.0})
    )
    assert both.profit == pytest.approx(yearly.profit, rel=2e-4)
    assert both.upper_bound == pytest.approx(yearly.upper_bound, rel=2e-4)


@pytest.mark.parametrize("per_year", [5.0, 150.0, 285.0])
def test_both_caps_leave_a_small_gap_whatever_the_yearly_cap(per_year):
    price = wavy_prices(20, 5, 48)
    battery = make_battery(max_cycles_per_day=0.8, max_cycles_per_year=per_year, wear_per_mwh=5.0)
    found = capped_plan(price, battery, 0.5, days_of(price, 48))
    check_replay(found, price, battery, 0.5, days_of(price, 48))
    assert found.duality_gap <= 0.003 * found.profit
    used = np.maximum(found.request_mw, 0).sum() / 2
    assert used == pytest.approx(battery.allowance(days_of(price, 48), 0.5).stretch_mwh, rel=1e-6)


def test_prices_that_jump_between_two_values_keep_both_caps():
    # At any price on throughput, all days sell the same: the throughput of plans jumps across the yearly cap.
    price = np.where(np.arange(10 * PER_DAY) % PER_DAY < 12, 20.0, 100.0)
    battery = make_battery(**SMALL, max_cycles_per_day=0.5, max_cycles_per_year=0.25 * 365)
    found = capped_plan(price, battery, 1.0, days_of(price))
    check_replay(found, price, battery, 1.0, days_of(price))
    # 100 MWh are sold at 100, and all but the first 20 MWh are bought at 20.
    assert found.profit == pytest.approx(100 * 100 - 80 * 20, rel=1e-3)
    assert found.duality_gap <= 1e-3 * found.profit
