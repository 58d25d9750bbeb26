"""Hindsight value: within its memory limit, precise over years, idle in gaps, and no action beats it."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.planning import hindsight_value
from battery_lab.planning.hindsight_value import hindsight
from battery_lab.planning.perfect_foresight import plan
from tests.planning.test_perfect_foresight import lossless
from tests.small_batteries_and_series import make_battery, wavy_prices


def test_the_value_table_of_four_years_fits_its_memory_limit() -> None:
    price, battery = wavy_prices(4 * 365 + 1), make_battery()
    table = hindsight(price, battery, 1 / 12)
    assert table.above.nbytes + table.base.nbytes == table.nbytes <= 200_000_000
    assert table.above.dtype == np.float32
    promised = table.at(np.array([0]), np.array([battery.energy_start_mwh]))[0]
    # Energy by energy the last days are what a table of these days alone says.
    last = hindsight(price[-288 * 5 :], battery, 1 / 12)
    rows, energy = np.arange(288 * 5 + 1), np.linspace(4, 36, 288 * 5 + 1)
    np.testing.assert_allclose(table.at(rows + len(price) - 288 * 5, energy), last.at(rows, energy), atol=10)
    assert promised > 1e6


def test_the_value_after_the_last_row_is_zero_and_undefined_beyond() -> None:
    table = hindsight(np.array([10.0, 30.0]), lossless(), 1.0)
    np.testing.assert_allclose(table.at(np.array([0, 1, 2]), np.array([0.0, 4.0, 4.0])), [80, 120, 0])
    for row in (-1, 3):
        with pytest.raises(IndexError, match="outside the table"):
            table.at(np.array([row]), np.array([0.0]))


def test_no_price_of_a_gap_is_traded_and_energy_decays_there() -> None:
    # Hours at 50, then 1,000 once, which a gap of 48 intervals repeats, then 60 once.
    price = np.concatenate([np.full(24, 50.0), np.full(49, 1000.0), [60.0]])
    gap = np.zeros(len(price), np.bool_)
    gap[25:73] = True
    battery = lossless(self_discharge_per_day=0.2)
    table = hindsight(price, battery, 1 / 12, gap=gap)
    first, energy = np.full(3, 25), np.array([0.0, 1.0, 3.0])
    left = battery.step(energy, np.zeros(3), 4.0)[1]
    np.testing.assert_allclose(table.at(first, energy), table.at(first + 48, left), rtol=1e-3, atol=1e-6)
    worth = table.at(first[:2], energy[:2])
    assert 0.0 < worth[1] - worth[0] < 60.0
    assert hindsight(price, battery, 1 / 12).at(first, energy)[1] > 900.0


@pytest.mark.parametrize("self_discharge", [0.0, 0.2])
def test_without_gaps_values_are_the_same_to_the_bit(self_discharge: float) -> None:
    price, battery = wavy_prices(3), make_battery(self_discharge_per_day=self_discharge)
    rows, energy = np.arange(len(price) + 1), np.linspace(4, 36, len(price) + 1)
    without = hindsight(price, battery, 1 / 12, gap=np.zeros(len(price), np.bool_)).at(rows, energy)
    np.testing.assert_array_equal(without, hindsight(price, battery, 1 / 12).at(rows, energy))


def test_energy_that_cannot_be_sold_in_time_has_no_value() -> None:
    # 4 MWh can leave in the hour; the last hundredth cannot.
    table = hindsight(np.array([100.0]), lossless(capacity_mwh=4.01), 1.0)
    np.testing.assert_allclose(
        table.at(np.zeros(4, int), np.array([0.0, 2.0, 4.0, 4.01])), [0, 200, 400, 400], atol=0.1
    )


@pytest.mark.parametrize(("table_bytes", "tolerance"), [(200_000_000, 0.001), (1_000_000, 0.2)])
def test_no_action_beats_hindsight_and_the_optimal_one_has_no_regret(
    table_bytes: int, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hindsight_value, "TABLE_BYTES", table_bytes)
    price, battery, interval_h = wavy_prices(10, seed=1), make_battery(wear_per_mwh=10.0), 1 / 12
    table = hindsight(price, battery, interval_h)
    assert table.nbytes <= table_bytes

    def regret(row: np.ndarray, energy: np.ndarray, request_mw: np.ndarray) -> np.ndarray:
        power, after = battery.step(energy, request_mw, interval_h)
        mwh = power * interval_h
        earned = price[row] * mwh - battery.wear_per_mwh * np.maximum(mwh, 0)
        return earned + table.at(row + 1, after) - table.at(row, energy)

    rng = np.random.default_rng(0)
    row, energy = rng.integers(0, len(price), 20_000), rng.uniform(4, 36, 20_000)
    anything = regret(row, energy, rng.uniform(-10, 10, 20_000))
    # Prices reach 5,000: between two levels the error can be larger, but rarely is.
    assert np.quantile(anything, 0.999) < 0.05
    assert anything.max() < 5
    assert anything.mean() < -10
    best = plan(price, battery, interval_h)
    optimal = regret(np.arange(len(price)), battery.run(best.request_mw, interval_h)[1][:-1], best.request_mw)
    assert np.abs(optimal).mean() < tolerance
    assert abs(optimal.sum()) < 0.01


def test_differences_of_value_stay_precise_over_years_of_profit() -> None:
    """float32 rounds millions to half a unit; regret needs hundredths."""
    early, battery = wavy_prices(3, seed=5), make_battery()
    rich = np.concatenate([early, np.tile([-1000.0, 17_500.0], 10_000)])
    table = hindsight(rich, battery, 1 / 12)
    assert table.at(np.array([0]), np.array([table.lowest_mwh]))[0] > 5e6
    best = plan(rich, battery, 1 / 12)
    stored = battery.run(best.request_mw, 1 / 12)[1]
    row = np.arange(len(early))
    earned = rich[row] * best.request_mw[row] / 12
    regret = earned + table.at(row + 1, stored[row + 1]) - table.at(row, stored[row])
    assert np.abs(regret).max() < 0.3
