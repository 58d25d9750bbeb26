"""Dispatch invariants: what every dispatch of a battery must satisfy, checked on plain arrays.

The check recomputes nothing with the code that made the dispatch, and can be used on the results of other programs::

    check_dispatch(DispatchArrays(interval_h=0.5, price=price, power_mw=power, ...), parameters)

``dispatch_arrays`` has the arrays and their units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import LabError
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR, METER_MWH
from battery_lab.envs.battery.dispatch_arrays import Array, BatteryParameters, DispatchArrays

TOLERANCE = 1e-9  # energy: relative to capacity; power: to the largest power; money: to its parts
ACCOUNTS = ("revenue", "wear", "grid_fee", "profit")


class DispatchError(LabError, ValueError):
    """A dispatch that no battery can deliver, or with accounts that do not add up."""


class Violation(NamedTuple):
    """A broken invariant: its name, the first row that breaks it, and what is wrong there."""

    invariant: str
    row: int
    what: str


def check_dispatch(dispatch: DispatchArrays, battery: BatteryParameters, name: str = "the policy") -> None:
    """Check all invariants.

    Args:
        dispatch: the dispatch.
        battery: the battery that this should be a dispatch of.
        name: whose dispatch it is, for the error.

    Raises:
        DispatchError: an invariant is broken; names it, the first row and its numbers.
    """
    first = next(violations(dispatch, battery), None)
    if first is not None:
        raise DispatchError(
            f"the dispatch of {name} breaks the invariant {first.invariant!r} in row {first.row}: {first.what}. If "
            f"{name} or the battery is your own code, correct it; otherwise this is an error of the lab: report it"
        )


def violations(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    """Yield the broken invariants, each with its first row; numbers that are not finite hide all others."""
    unusable = list(_finite(dispatch))
    yield from unusable
    if not unusable and len(dispatch.price):
        for check in (_continuity, _balance, _no_energy_from_nothing, _energy_limits, _power_limits, _one_direction):
            yield from check(dispatch, battery)
        for check in (_requests, _idle, _caps, _accounts):
            yield from check(dispatch, battery)


def _first(
    invariant: str, broken: NDArray[np.bool_], words: str, **numbers: NDArray[np.generic]
) -> Iterator[Violation]:
    """Yield a violation where a row is broken; ``words`` is a format of the row's numbers."""
    if len(broken) and broken[row := int(np.argmax(broken))]:
        yield Violation(invariant, row, words.format(**{name: values[row] for name, values in numbers.items()}))


def _finite(dispatch: DispatchArrays) -> Iterator[Violation]:
    for name, values in dispatch.given.items():
        # A request may be infinite, for full power.
        bad = np.isnan(values) if name == "request_mw" else ~np.isfinite(values)
        yield from _first("finite", bad, f"{name} must be a finite number, got {{values}}", values=values)


def _continuity(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    if dispatch.start_mwh is not None:
        begin = dispatch.energy_mwh[:1]
        words = f"starts with {{begin:.9g}} MWh, and the battery with {dispatch.start_mwh:.9g} MWh"
        broken = np.abs(begin - dispatch.start_mwh) > TOLERANCE * battery.capacity_mwh
        yield from _first("continuity", broken, words, begin=begin)
    before, after = dispatch.energy_after_mwh[:-1], dispatch.energy_mwh[1:]
    words = "the next row starts with {after:.9g} MWh, and this one ends with {before:.9g} MWh"
    broken = np.abs(after - before) > TOLERANCE * battery.capacity_mwh
    yield from _first("continuity", broken, words, before=before, after=after)


def _kept(dispatch: DispatchArrays, battery: BatteryParameters) -> Array:
    """Return (T,) what self-discharge leaves of the energy at the start, MWh."""
    retention = float((1 - battery.self_discharge_per_day) ** (dispatch.interval_h / 24))
    return dispatch.energy_mwh * retention


def _flow(dispatch: DispatchArrays, battery: BatteryParameters) -> Array:
    """Return (T,) energy into the store (+) or out of it (-), MWh."""
    return dispatch.bought * battery.charge_efficiency - dispatch.sold / battery.discharge_efficiency


def _balance(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    expected, after = _kept(dispatch, battery) + _flow(dispatch, battery), dispatch.energy_after_mwh
    words = (
        "starts with {start:.12g} MWh, buys {bought:.12g} MWh and sells {sold:.12g} MWh, so it must end with "
        "{expected:.12g} MWh, got {after:.12g} MWh"
    )
    numbers = {"start": dispatch.energy_mwh, "bought": dispatch.bought, "sold": dispatch.sold}
    broken = np.abs(after - expected) > TOLERANCE * battery.capacity_mwh
    yield from _first("energy balance", broken, words, **numbers, expected=expected, after=after)


def _no_energy_from_nothing(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    """Check sums from the first row on: errors within the tolerance of the balance must not add up to energy."""
    bought, sold = dispatch.bought.cumsum(), dispatch.sold.cumsum()
    most = dispatch.energy_mwh[0] + bought * battery.charge_efficiency
    out = sold / battery.discharge_efficiency + dispatch.energy_after_mwh
    words = (
        "sells {sold:.12g} MWh up to here and ends with {after:.12g} MWh, more than the energy at the start and "
        "{bought:.12g} MWh bought can give"
    )
    broken = out - most > TOLERANCE * (battery.capacity_mwh + np.abs(most))
    numbers = {"sold": sold, "bought": bought, "after": dispatch.energy_after_mwh}
    yield from _first("no energy from nothing", broken, words, **numbers)


def _energy_limits(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    low, high = battery.soc_min * battery.capacity_mwh, battery.soc_max * battery.capacity_mwh
    after, tolerance = dispatch.energy_after_mwh, TOLERANCE * battery.capacity_mwh
    words = f"ends with {{after:.12g}} MWh, and the limits are {low:.12g} to {high:.12g} MWh"
    # Self-discharge alone may take the store below its minimum.
    lowest = np.minimum(low, _kept(dispatch, battery)) - tolerance
    # Nor does a store that begins above its maximum charge further.
    highest = np.maximum(high, dispatch.energy_mwh) + tolerance
    yield from _first("limits of energy", (after < lowest) | (after > highest), words, after=after)


def _power_limits(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    broken = np.abs(dispatch.power_mw) > battery.power_mw * (1 + TOLERANCE)
    words = f"delivers {{power:.12g}} MW, and the largest power is {battery.power_mw:.12g} MW"
    yield from _first("limits of power", broken, words, power=dispatch.power_mw)


def _one_direction(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    sold = dispatch.sold if dispatch.sold_mwh is None else dispatch.sold_mwh
    bought = dispatch.bought if dispatch.bought_mwh is None else dispatch.bought_mwh
    words = "buys {bought:.12g} MWh and sells {sold:.12g} MWh"
    broken = (np.minimum(sold, bought) != 0) | (np.maximum(sold, bought) < 0)
    yield from _first("no charge and discharge at once", broken, words, bought=bought, sold=sold)
    net, power = sold - bought, dispatch.sold - dispatch.bought
    words = "buys and sells {net:.12g} MWh net, and the delivered power gives {power:.12g} MWh"
    broken = np.abs(net - power) > TOLERANCE * battery.power_mw * dispatch.interval_h
    yield from _first("energy of the power", broken, words, net=net, power=power)


def _requests(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    request, power = dispatch.request_mw, dispatch.power_mw
    if request is not None:
        words = "delivers {power:.12g} MW of a request for {request:.12g} MW"
        more = np.abs(power) > np.abs(request) + TOLERANCE * battery.power_mw
        against = (power * np.sign(request) < 0) & (request != 0)
        yield from _first("no more than the request", more | against, words, power=power, request=request)


def _idle(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    if dispatch.idle is not None:
        broken = dispatch.idle & (dispatch.power_mw != 0)
        words = "delivers {power:.12g} MW in a gap of the prices"
        yield from _first("idle in gaps", broken, words, power=dispatch.power_mw)


def _caps(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    capacity, rows = battery.capacity_mwh, len(dispatch.price)
    busy = rows if dispatch.idle is None else int((~dispatch.idle).sum())
    # The lab's meter counts in whole units.
    tolerance = TOLERANCE * capacity + METER_MWH
    if battery.max_cycles_per_year is not None:
        years = busy * dispatch.interval_h / 24 / DAYS_PER_YEAR
        cap, used = battery.max_cycles_per_year * years * capacity, dispatch.sold.cumsum()
        words = f"{{used:.12g}} MWh sold up to here, and the cap of this stretch is {cap:.12g} MWh"
        yield from _first("cap per year", used > cap + tolerance + TOLERANCE * used, words, used=used)
    if battery.max_cycles_per_day is not None and dispatch.day is not None:
        day, cap = dispatch.day - dispatch.day.min(), battery.max_cycles_per_day * capacity
        used = np.bincount(day, dispatch.sold)[day]
        words = f"{{used:.12g}} MWh sold on its day, and the cap is {cap:.12g} MWh"
        yield from _first("cap per day", used > cap + tolerance, words, used=used)


def _accounts(dispatch: DispatchArrays, battery: BatteryParameters) -> Iterator[Violation]:
    revenue = dispatch.price * (dispatch.sold - dispatch.bought)
    wear = battery.wear_per_mwh * dispatch.sold + battery.wear_per_mwh_charged * dispatch.bought
    fee = battery.grid_fee_per_mwh * dispatch.bought
    expected = {"revenue": revenue, "wear": wear, "grid_fee": fee, "profit": revenue - wear - fee}
    # A profit is a difference: its rounding is relative to its parts.
    tolerance = TOLERANCE * (np.abs(revenue) + np.abs(wear) + np.abs(fee)) + np.finfo(np.float64).tiny
    for name in ACCOUNTS:
        amount, right = getattr(dispatch, name), expected[name]
        if amount is not None:
            words = f"{name} is {{amount:.12g}}, and the delivered energy gives {{right:.12g}}"
            yield from _first(
                f"account of {name}", np.abs(amount - right) > tolerance, words, amount=amount, right=right
            )
