"""Error of the energy grid: what softened bids earn on a grid, against the battery's physics, by number of levels.

python -m tests.planning.bid_grid_error
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.planning.bid_policy_case import Case, scaled

BATTERIES = range(10)
LEVELS = (40, 80, 160, 250, 500)
# Sharpness per standard deviation of the scaled prices: at the start and at the end of a training.
SHARPNESS = (2.4, 18.0)
HOURS = np.array([1 / 12, 1 / 10, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0, 1 / 12, 1 / 10])
STORAGE_H = np.geomspace(0.5, 10.0, len(HOURS))  # capacity / power


def battery(number: int) -> dict[str, Any]:
    """Return a random battery and its interval; numbers from 0 to 9 cover all intervals and storage times."""
    rng = np.random.default_rng(number)
    capacity, low = rng.uniform(20, 80), rng.uniform(0, 0.3)
    return {
        "power_mw": capacity / STORAGE_H[(7 * number) % len(HOURS)],
        "capacity_mwh": capacity,
        "soc_min": low,
        "soc_max": rng.uniform(low + 0.4, 1.0),
        "soc_start": low + 0.2,
        "round_trip_efficiency": rng.uniform(0.7, 1.0),
        "charge_loss_share": rng.uniform(0, 1),
        "wear_per_mwh": rng.uniform(0, 20),
        "grid_fee_per_mwh": (0.0, 5.0)[number % 2],
        "self_discharge_per_day": (0.0, 0.02, 0.1)[number % 3],
        "hours": HOURS[number],
    }


def case(number: int, levels: int, sharpness: float, **changes: Any) -> Case:
    """Return a day of prices and bids of a battery; ``sharpness`` is per standard deviation of the scaled prices."""
    day = Case(number, rows=288, levels=levels, **(battery(number) | changes)).one_day()
    day.sharpness = sharpness / scaled(day.price).std()
    return day


def errors(number: int, sharpness: float) -> dict[int, float]:
    """Return the error of the profit by number of levels, as a share of the profit in the physics."""
    profit = case(number, LEVELS[0], sharpness).expected_profit()
    return {levels: case(number, levels, sharpness).solve().value / profit - 1 for levels in LEVELS}


def main() -> None:
    """Print the errors as rows of a table."""
    for sharpness in SHARPNESS:
        print(f"\nsharpness {sharpness:g}: battery, interval, storage, self-discharge, error at {LEVELS} levels")
        for number in BATTERIES:
            made = battery(number)
            row = [f"{60 * made['hours']:.0f} min", f"{made['capacity_mwh'] / made['power_mw']:.1f} h"]
            row.append(f"{made['self_discharge_per_day']:.0%}")
            shares = [f"{100 * error:+.3f} %" for error in errors(number, sharpness).values()]
            profit = case(number, LEVELS[0], sharpness).expected_profit()
            print(f"| {number} | {' | '.join([*row, *shares])} | {profit:,.0f}")


if __name__ == "__main__":
    main()
