"""Methods for the optimum under a daily cap on cycles, compared with an exact dynamic programme on short cases.

    python -m benchmarks.daily_cap_methods

``multipliers`` is the method of the lab: a price on throughput per day (``planning/daily_cap.py``). ``budget`` has a
second state, the budget left of the day, on K levels above zero, between which values are interpolated. With one budget
level per energy level nothing is interpolated: that is the exact programme on the same energy grid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.planning.bellman_backup import highest_ahead, interpolate, move_costs
from battery_lab.planning.daily_cap import daily_cap_plan, day_bounds
from battery_lab.planning.energy_grid import EnergyGrid, fit_grid

Ints = NDArray[np.int64]
HEADER = "| method | mean shortfall | largest shortfall | seconds per case |\n|---|---|---|---|"


class Case(NamedTuple):
    """Prices of a few days, and a battery with a daily cap.

    Attributes:
        price: (T,) currency per MWh.
        day: (T,) number of the local day.
        battery: the battery.
        interval_h: length of an interval, hours.
    """

    price: Array
    day: Ints
    battery: Battery
    interval_h: float


class Result(NamedTuple):
    """The mean and the largest shortfall of profit, fractions of the exact profit, and the mean time per case."""

    method: str
    mean: float
    largest: float
    seconds: float


def compare(cases: Sequence[Case], budgets: Sequence[int], multipliers: Sequence[int], at_least: int) -> list[Result]:
    """Return how far each method falls short of the exact programme.

    Args:
        cases: the cases.
        budgets: numbers of budget levels to try.
        multipliers: numbers of multipliers to try.
        at_least: smallest number of energy levels.
    """
    methods: dict[str, Callable[[Case, EnergyGrid, float], Array]] = {
        **{f"budget, {count} levels": _with_budget(count) for count in budgets},
        **{f"multipliers, {count}": _with_multipliers(count) for count in multipliers},
    }
    exact = [_earned(_with_budget(0), case, at_least)[0] for case in cases]
    results = []
    for name, method in methods.items():
        earned, seconds = zip(*(_earned(method, case, at_least) for case in cases), strict=True)
        short = 1 - np.array(earned) / np.array(exact)
        results.append(Result(name, float(short.mean()), float(short.max()), float(np.mean(seconds))))
    return results


def _earned(method: Callable[[Case, EnergyGrid, float], Array], case: Case, at_least: int) -> tuple[float, float]:
    """Return the profit of a method's schedule, replayed under the cap, and the time that it took."""
    battery, interval_h = case.battery, case.interval_h
    grid = fit_grid(battery.priced(0.0), interval_h, at_least=at_least, tolerance=5e-3)
    allowance = battery.allowance(case.day, interval_h)
    start = time.perf_counter()
    request = method(case, grid, allowance.day_mwh)
    seconds = time.perf_counter() - start
    power, _ = battery.run(request / interval_h, interval_h, allowance=allowance)
    profit = case.price * power - battery.wear_per_mwh * np.maximum(power, 0.0)
    return float(profit.sum()) * interval_h, seconds


def _with_multipliers(count: int) -> Callable[[Case, EnergyGrid, float], Array]:
    def method(case: Case, grid: EnergyGrid, day_mwh: float) -> Array:
        start = case.battery.energy_start_mwh
        return daily_cap_plan(case.price, start, grid, case.day, day_mwh, count).request_mwh

    return method


def _with_budget(count: int) -> Callable[[Case, EnergyGrid, float], Array]:
    """Return the programme with K = ``count`` budget levels; 0: one per energy level."""

    def method(case: Case, grid: EnergyGrid, day_mwh: float) -> Array:
        whole = day_mwh / grid.sold_mwh
        levels = max(count or int(whole), 1)
        span = whole / levels if count else 1.0
        return np.asarray(
            _budget_schedule(case.price, case.battery.energy_start_mwh, grid, levels, span, day_bounds(case.day))
        )

    return method


@nb.njit(cache=True)
def _budget_schedule(price: Array, energy: float, grid: EnergyGrid, levels: int, span: float, bounds: Ints) -> Array:
    days, request = len(bounds) - 1, np.empty(len(price))
    longest = np.max(np.diff(bounds))
    inside, work = np.empty((days, longest + 1, levels + 1, grid.size)), np.empty((2, grid.size))
    for d in range(days - 1, -1, -1):
        rows = bounds[d + 1] - bounds[d]
        for k in range(levels + 1):
            inside[d, rows, k] = inside[d + 1, 0, levels] if d + 1 < days else np.zeros(grid.size)
        for n in range(rows - 1, -1, -1):
            _backup(inside[d, n + 1], inside[d, n], work, price[bounds[d] + n], grid, span)
    at = (energy - grid.lowest_mwh) / grid.step_mwh
    for d in range(days):
        left = levels * span
        for n in range(bounds[d + 1] - bounds[d]):
            t = bounds[d] + n
            move = _best_move(inside[d, n + 1], at, left, price[t], grid, span)
            request[t] = move * grid.sold_mwh if move > 0 else move * grid.bought_mwh
            at, left = at - move, left - max(move, 0.0)
    return request


@nb.njit(cache=True)
def _backup(after: Array, value: Array, work: Array, price: float, grid: EnergyGrid, span: float) -> None:
    """Compute the (K + 1, size) value at the start of an interval from that at its end."""
    bought, sold = move_costs(price, grid)
    for k in range(len(after)):
        best, up = value[k], work[0]
        for i in range(grid.size):
            up[i] = after[k, i] - i * bought
        up = highest_ahead(up, work[1], grid.charge + 1)
        for i in range(grid.size):
            best[i] = max(after[k, i], up[i] + i * bought)
        for j in range(1, min(grid.discharge, grid.size - 1, int(k * span + 1e-6)) + 1):
            left = max(k - j / span, 0.0)
            low = min(int(left), len(after) - 2)
            weight = left - low
            for i in range(j, grid.size):
                below = after[low, i - j]
                worth = below + weight * (after[low + 1, i - j] - below) + j * sold
                best[i] = max(best[i], worth)


@nb.njit(cache=True)
def _best_move(after: Array, at: float, left: float, price: float, grid: EnergyGrid, span: float) -> float:
    """Return the best fall in levels of stored energy, negative to charge, from a position between levels."""
    bought, sold = move_costs(price, grid)
    best, move = _worth(after, at, left, span) + 1e-7, 0.0
    top, bottom = min(at + grid.charge, grid.size - 1.0), max(at - min(float(grid.discharge), left), 0.0)
    for k in range(int(np.ceil(top - np.floor(at)))):
        target = min(np.floor(at) + 1 + k, top)
        worth = _worth(after, target, left, span) - (target - at) * bought
        if worth > best:
            best, move = worth, at - target
    for k in range(int(np.ceil(np.ceil(at) - bottom))):
        target = max(np.ceil(at) - 1 - k, bottom)
        worth = _worth(after, target, left - (at - target), span) + (at - target) * sold
        if worth > best:
            best, move = worth, at - target
    return move


@nb.njit(cache=True)
def _worth(after: Array, at: float, left: float, span: float) -> float:
    position = min(max(left / span, 0.0), len(after) - 1.0)
    low = min(int(position), len(after) - 2)
    below = interpolate(after[low], at)
    return float(below + (position - low) * (interpolate(after[low + 1], at) - below))


def market_cases(count: int, seed: int, interval_h: float, below_zero: float | None = None) -> list[Case]:
    """Return random stretches of 3 to 10 days of the synthetic market, with caps of 0.5 to 1.5 cycles per day.

    Args:
        count: number of cases.
        seed: of the random choices.
        interval_h: length of an interval, hours.
        below_zero: share of the prices of each stretch that are below zero, by a shift of all; None: as they are.
    """
    from battery_lab.config.build import build_part
    from battery_lab.config.compose import compose

    config, rng = compose(["market=synthetic"]), np.random.default_rng(seed)
    series, battery = build_part(config, "market").load(), build_part(config, "battery")
    step = round(interval_h / series.interval_h)
    price = series.price[: len(series) // step * step].reshape(-1, step).mean(axis=1)
    per_day, cases = round(24 / interval_h), []
    for _ in range(count):
        days = int(rng.integers(3, 11))
        first = int(rng.integers(0, len(price) // per_day - days)) * per_day
        values = {name: getattr(battery, name) for name in battery.__dataclass_fields__}
        capped = type(battery)(**(values | {"max_cycles_per_day": float(rng.choice([0.5, 1.0, 1.5]))}))
        rows = slice(first, first + days * per_day)
        shift = 0.0 if below_zero is None else np.quantile(price[rows], below_zero)
        cases.append(Case(price[rows] - shift, np.arange(days * per_day) // per_day, capped, interval_h))
    return cases


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    rows = [f"| {r.method} | {r.mean:.3%} | {r.largest:.3%} | {r.seconds:.2f} |" for r in results]
    return "\n".join([HEADER, *rows])


if __name__ == "__main__":
    for interval_h in (0.5, 1.0):
        compare(market_cases(1, 1, interval_h), [8], [24], at_least=100)  # compiles
        for below_zero in (None, 0.4, 0.6, 0.8):
            cases = market_cases(12, 0, interval_h, below_zero)
            share = np.mean(np.concatenate([case.price for case in cases]) < 0)
            print(f"{60 * interval_h:g} minutes, {share:.0%} of prices below zero")
            print(table(compare(cases, [8, 16, 48], [12, 24], at_least=100)), flush=True)
