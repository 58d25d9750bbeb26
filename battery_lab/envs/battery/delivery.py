"""Delivery: what a battery delivers of a request in one dispatch interval, in compiled code.

Together with ``physics``, this is the only module that computes physics. Energy at the grid connection is in MWh,
+ sold, - bought.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from battery_lab.envs.battery.cycle_caps import Allowance, Array, Ints, count_mwh, left_mwh


class Limits(NamedTuple):
    """A battery's limits over one dispatch interval, for compiled code.

    Attributes:
        power_mwh: largest energy through the grid connection in an interval, MWh.
        energy_min_mwh: stored energy at which discharging stops, MWh.
        energy_max_mwh: stored energy at which charging stops, MWh.
        charge_efficiency: MWh stored per MWh bought.
        discharge_efficiency: MWh sold per MWh taken from storage.
        retention: fraction of stored energy left after an idle interval.
    """

    power_mwh: float
    energy_min_mwh: float
    energy_max_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    retention: float


@nb.njit(cache=True)
def deliver_mwh(energy_mwh: float, request_mwh: float, limits: Limits) -> tuple[float, float]:
    """Deliver as much of a request as the limits allow over one interval.

    Args:
        energy_mwh: stored energy at the start of the interval.
        request_mwh: requested energy at the grid connection, + sold, - bought.
        limits: the battery over one interval.

    Returns:
        The energy delivered at the grid connection (MWh, same sign) and the stored energy at the end of the interval.
    """
    kept = energy_mwh * limits.retention
    if request_mwh > 0.0:
        # Self-discharge may have taken the store below its minimum; then there is nothing to sell.
        room = max(kept - limits.energy_min_mwh, 0.0) * limits.discharge_efficiency
        wanted = min(request_mwh, limits.power_mwh)
        if wanted >= room:
            return room, min(kept, limits.energy_min_mwh)
        return wanted, max(kept - wanted / limits.discharge_efficiency, limits.energy_min_mwh)
    if request_mwh < 0.0:
        room = max(limits.energy_max_mwh - kept, 0.0) / limits.charge_efficiency
        wanted = min(-request_mwh, limits.power_mwh)
        if wanted >= room:
            return -room, max(kept, limits.energy_max_mwh)
        return -wanted, min(kept + wanted * limits.charge_efficiency, limits.energy_max_mwh)
    return 0.0, kept


@nb.njit(cache=True)
def deliver_within(
    energy_mwh: float, request_mwh: float, limits: Limits, row: int, allowance: Allowance, meter: Array
) -> tuple[float, float]:
    """Deliver as much of a request as the limits and the caps on cycles allow, and count it on the battery's meter.

    Args:
        energy_mwh: stored energy at the start of the interval.
        request_mwh: requested energy at the grid connection, + sold, - bought.
        limits: the battery over one interval.
        row: the interval, a row of ``allowance.day``.
        allowance: the caps.
        meter: (3,) meter of the battery, see ``new_meters``; updated.

    Returns:
        As ``deliver_mwh``.
    """
    allowed = min(request_mwh, left_mwh(meter, row, allowance))
    delivered, after = deliver_mwh(energy_mwh, allowed, limits)
    count_mwh(meter, delivered)
    return delivered, after


@nb.njit(cache=True)
def step(energy: Array, request_mw: Array, interval_h: float, limits: Limits) -> tuple[Array, Array]:
    """Return (N,) delivered power in MW and (N,) stored energy at the end; see ``Battery.step``."""
    power, after = np.empty_like(energy), np.empty_like(energy)
    for i in range(len(energy)):
        delivered, after[i] = deliver_mwh(energy[i], request_mw[i] * interval_h, limits)
        power[i] = delivered / interval_h
    return power, after


@nb.njit(cache=True)
def step_within(
    energy: Array, request_mw: Array, interval_h: float, limits: Limits, row: Ints, allowance: Allowance, meters: Array
) -> tuple[Array, Array]:
    """Return the same under caps on cycles; see ``Battery.step_within``."""
    power, after = np.empty_like(energy), np.empty_like(energy)
    for i in range(len(energy)):
        delivered, after[i] = deliver_within(
            energy[i], request_mw[i] * interval_h, limits, row[i], allowance, meters[i]
        )
        power[i] = delivered / interval_h
    return power, after


@nb.njit(cache=True)
def run(energy: float, request: Array, limits: Limits) -> tuple[Array, Array]:
    """Return (T,) delivered energy and (T + 1,) stored energy in MWh; see ``Battery.run``."""
    delivered, stored = np.empty_like(request), np.empty(len(request) + 1)
    stored[0] = energy
    for t in range(len(request)):
        delivered[t], stored[t + 1] = deliver_mwh(stored[t], request[t], limits)
    return delivered, stored


@nb.njit(cache=True)
def run_within(
    energy: float, request: Array, limits: Limits, allowance: Allowance, meter: Array
) -> tuple[Array, Array]:
    """Return the same under caps on cycles, counted on a (3,) meter."""
    delivered, stored = np.empty_like(request), np.empty(len(request) + 1)
    stored[0] = energy
    for t in range(len(request)):
        delivered[t], stored[t + 1] = deliver_within(stored[t], request[t], limits, t, allowance, meter)
    return delivered, stored
