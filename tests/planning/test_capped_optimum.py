"""The optimum under caps on cycles, compared with an exact dynamic programme and with its own upper bound."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.planning.capped_optimum import CappedPlan, capped_plan
from battery_lab.planning.perfect_foresight import optimum_grid, plan
from battery_lab.planning.throughput_price import fit_throughput_price
from tests.small_batteries_and_series import make_battery, wavy_prices

# 24 intervals of an hour; full charge and discharge span whole levels of a grid of 5 MWh, lossless.
PER_DAY = 24
SMALL = {
    "power_mw": 10.0,
    "capacity_mwh": 40.0,
    "soc_min": 0.0,
    "soc_max": 1.0,
    "soc_start": 0.5,
    "round_trip_efficiency": 1.0,
}

# Half of what is bought is lost, which pays at prices below zero. Full charge is one level.
LOSSY = SMALL | {"round_trip_efficiency": 0.5, "charge_loss_share": 1.0}


def days_of(prices, per_day=PER_DAY):
    return np.arange(len(prices)) // per_day


def exact_profit(price, day, battery, step_mwh, day_mwh=np.inf, total_mwh=np.inf):
    """Return the best profit on a grid of stored energy and of budgets, all in steps, by brute force.

    Discharging is without loss.
    """
    levels = round(battery.capacity_mwh / step_mwh) + 1
    most = round(battery.power_mw / step_mwh)
    most_up = int(battery.power_mw * battery.charge_efficiency / step_mwh + 1e-9)
    budget = round(min(day_mwh, total_mwh, 1e6 if min(day_mwh, total_mwh) < 1e6 else 0) / step_mwh)
    resets = np.isfinite(day_mwh)
    value = np.zeros((budget + 1, levels))
    for t in range(len(price) - 1, -1, -1):
        if resets and t + 1 < len(price) and day[t + 1] != day[t]:
            value = np.repeat(value[-1:], budget + 1, axis=0)
        best = np.full_like(value, -np.inf)
        for move in range(-most_up, most + 1):  # levels sold
            low, high = max(move, 0), levels + min(move, 0)
            sold = max(move, 0)
            bought = max(-move, 0) / battery.charge_efficiency
            gain = price[t] * (sold - bought) * step_mwh - battery.wear_per_mwh * sold * step_mwh
            target = value[: budget + 1 - sold, low - move : high - move] + gain
            best[sold:, low:high] = np.maximum(best[sold:, low:high], target)
        value = best
    return float(value[-1, round(battery.soc_start * (levels - 1))])


def random_case(seed):
    rng = np.random.default_rng(seed)
    days = int(rng.integers(3, 11))
    price = wavy_prices(days, seed, PER_DAY)
    battery = make_battery(**SMALL, wear_per_mwh=float(rng.choice([0.0, 5.0])))
    return rng, price, battery


def check_replay(found: CappedPlan, price, battery, interval_h, day):
    """Assert that the schedule keeps the caps, is delivered in full and earns what it says."""
    power, _ = battery.priced(0.0).run(found.request_mw, interval_h)
    np.testing.assert_allclose(power, found.request_mw, atol=1e-6)
    mwh = found.request_mw * interval_h
    sold = np.maximum(mwh, 0)
    allowance = battery.allowance(day, interval_h)
    assert np.bincount(day, sold).max() <= allowance.day_mwh + 1e-6
    assert sold.sum() <= allowance.stretch_mwh + 1e-6
    profit = price * mwh - battery.wear_per_mwh * sold - battery.wear_per_mwh_charged * np.maximum(-mwh, 0)
    assert found.profit == pytest.approx(profit.sum(), rel=1e-6, abs=1e-3)
    assert found.duality_gap >= -1e-4 * found.profit  # the bound is that of the energy grid


@pytest.mark.parametrize("seed", range(12))
def test_a_daily_cap_earns_what_an_exact_programme_earns(seed):
    rng, price, battery = random_case(seed)
    cycles = float(rng.choice([0.25, 0.5, 0.75, 1.0]))
    capped = make_battery(**SMALL, wear_per_mwh=battery.wear_per_mwh, max_cycles_per_day=cycles)
    found = capped_plan(price, capped, 1.0, days_of(price))
    check_replay(found, price, capped, 1.0, days_of(price))
    exact = exact_profit(price, days_of(price), battery, 5.0, day_mwh=40 * cycles)
    # The exact programme knows whole steps of 5 MWh only.
    assert found.profit >= exact * (1 - 0.003)
    assert found.upper_bound >= exact * (1 - 1e-9)


@pytest.mark.parametrize("below_zero", [0.4, 0.8, 0.9])
@pytest.mark.parametrize("seed", range(6))
def test_a_daily_cap_earns_what_an_exact_programme_earns_at_prices_below_zero(seed, below_zero):
    rng, price, battery = random_case(seed)
    price -= np.quantile(price, below_zero)
    cycles = float(rng.choice([0.25, 0.5, 0.75, 1.0]))
    capped = make_battery(**LOSSY, wear_per_mwh=battery.wear_per_mwh, max_cycles_per_day=cycles)
    found = capped_plan(price, capped, 1.0, days_of(price))
    check_replay(found, price, capped, 1.0, days_of(price))
    exact = exact_profit(price, days_of(price), capped.priced(0.0), 5.0, day_mwh=40 * cycles)
    assert found.profit >= exact * (1 - 0.0005)
    assert found.upper_bound >= exact * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_a_yearly_cap_earns_what_an_exact_programme_earns(seed):
    rng, price, battery = random_case(seed)
    days = len(price) // PER_DAY
    total = 5.0 * int(rng.integers(2 * days, 8 * days))
    capped = make_battery(**SMALL, wear_per_mwh=battery.wear_per_mwh, max_cycles_per_year=total / 40 * 365 / days)
    found = capped_plan(price, capped, 1.0, days_of(price))
    check_replay(found, price, capped, 1.0, days_of(price))
    exact = exact_profit(price, days_of(price), battery, 5.0, total_mwh=total)
    assert found.profit >= exact * (1 - 0.003)
    assert found.upper_bound >= exact * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_yearly_cap_may_equal_what_a_plan_sells(seed):
    # 20 MWh in two days: two full hours, as the plan below the cap sells, up to rounding.
    t = np.arange(96)
    price = 50 + 60 * np.sin((t / 2 - 16) / 24 * 2 * np.pi) + np.random.default_rng(seed).normal(0, 25, len(t))
    battery = make_battery(max_cycles_per_year=0.25 * 365)
    found = capped_plan(price, battery, 0.5, days_of(price, 48))
    check_replay(found, price, battery, 0.5, days_of(price, 48))
    assert np.maximum(found.request_mw, 0).sum() / 2 == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize("changes", [{}, {"wear_per_mwh_charged": 3.0}, {"self_discharge_per_day": 0.1}])
def test_both_caps_together_keep_both(changes):
    price = wavy_prices(20, 5, 48)
    battery = make_battery(max_cycles_per_day=0.8, max_cycles_per_year=200.0, wear_per_mwh=5.0, **changes)
    found = capped_plan(price, battery, 0.5, days_of(price, 48))
    check_replay(found, price, battery, 0.5, days_of(price, 48))
    assert found.duality_gap <= 0.01 * found.profit


def test_profit_grows_with_the_cap_up_to_that_without():
    price = wavy_prices(15, 3, 48)
    profits = [
        capped_plan(price, make_battery(max_cycles_per_day=cap), 0.5, days_of(price, 48)).profit
        for cap in (0.25, 0.5, 1.0, 1.5, 50.0)
    ]
    assert (np.diff(profits) > 0).all()
    assert profits[-1] == plan(price, make_battery(), 0.5).profit


@pytest.mark.parametrize("self_discharge", [0.0, 0.1])
@pytest.mark.parametrize("cycles", [1e-2, 1e-5, 1e-8, 1e-10])
def test_a_tiny_cap_is_sold_at_the_best_price_of_each_day(cycles, self_discharge):
    # Every price is above zero, so that energy that was stored at the start is all that is worth anything.
    price, day = wavy_prices(6, 3, 48) + 80, np.arange(6 * 48) // 48
    battery = make_battery(max_cycles_per_day=cycles, self_discharge_per_day=self_discharge)
    found = capped_plan(price, battery, 0.5, day)
    cap_mwh = battery.allowance(day, 0.5).day_mwh
    best = cap_mwh * price.reshape(6, 48).max(axis=1).sum()
    assert found.profit == pytest.approx(best, rel=1e-6)
    assert found.upper_bound == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("caps", [{"max_cycles_per_day": 12.0}, {"max_cycles_per_year": 4000.0}])
def test_a_cap_that_never_binds_gives_the_schedule_without_caps(caps):
    price = wavy_prices(10, 4, 48)
    found = capped_plan(price, make_battery(**caps), 0.5, days_of(price, 48))
    np.testing.assert_array_equal(found.request_mw, plan(price, make_battery(), 0.5).request_mw)
    assert found.duality_gap == 0


def test_days_of_unequal_length_each_have_the_whole_allowance():
    day = np.repeat([0, 1, 2], [23, 25, 24])
    price = wavy_prices(3, 1, 24)
    battery = make_battery(max_cycles_per_day=0.25)
    found = capped_plan(price, battery, 1.0, day)
    check_replay(found, price, battery, 1.0, day)
    np.testing.assert_allclose(np.bincount(day, np.maximum(found.request_mw, 0)), 10, rtol=1e-6)


def test_wear_on_charging_costs_as_much_as_a_fee():
    price = wavy_prices(10, 2, 48)
    worn, fee = (plan(price, make_battery(**{name: 7.0}), 0.5) for name in ("wear_per_mwh_charged", "grid_fee_per_mwh"))
    np.testing.assert_array_equal(worn.request_mw, fee.request_mw)
    assert worn.profit == pytest.approx(fee.profit)


def test_a_battery_with_caps_needs_the_capped_optimum():
    with pytest.raises(ValueError, match="allowance"):
        plan(wavy_prices(1), make_battery(max_cycles_per_day=1.0), 1 / 12)


def test_a_throughput_price_is_the_smallest_that_keeps_the_cap():
    def sold(price):
        return max(100 - price, 0.0)

    assert fit_throughput_price(sold, 120) == 0
    assert fit_throughput_price(sold, 30) == pytest.approx(70, abs=0.5)
    assert sold(fit_throughput_price(sold, 30)) <= 30


def test_a_throughput_that_no_price_reduces_is_an_error():
    with pytest.raises(ValueError, match="must fall to the cap of 30 MWh at some price, is 100"):
        fit_throughput_price(lambda price: 100.0, 30)


def test_a_throughput_price_reduces_the_discharge_of_perfect_foresight_to_the_cap():
    price = wavy_prices(20, 6, 48)

    def sold(throughput_price):
        return float(np.maximum(plan(price, make_battery(wear_per_mwh=throughput_price), 0.5).request_mw, 0).sum()) / 2

    fitted = fit_throughput_price(sold, 0.6 * 40 * 20)
    assert 0.97 * 0.6 * 800 <= sold(fitted) <= 0.6 * 800


def test_the_grid_counts_wear_on_charging():
    assert optimum_grid(make_battery(wear_per_mwh_charged=3.0), 1.0).wear_per_mwh_charged == 3
