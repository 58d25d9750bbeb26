"""The physics of a battery at its grid connection: limits, efficiencies, one step.

Nothing else in the lab computes physics. Power is in MW at the grid connection, + discharges (sells), - charges
(buys). Stored energy is in MWh inside the battery; ``soc`` is that energy as a fraction of the capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require

Array = NDArray[np.float64]


class Limits(NamedTuple):
    """A battery over one dispatch interval, in the numbers that compiled code wants.

    Attributes:
        power_mwh: the most that crosses the grid connection in an interval, MWh.
        energy_min_mwh: the least stored energy that discharging may leave, MWh.
        energy_max_mwh: the most stored energy that charging may reach, MWh.
        charge_efficiency: stored MWh per MWh bought.
        discharge_efficiency: MWh sold per MWh taken from storage.
        retention: the share of stored energy that is left after an interval of standing still.
    """

    power_mwh: float
    energy_min_mwh: float
    energy_max_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    retention: float


@nb.njit(cache=True)
def deliver_mwh(energy_mwh: float, request_mwh: float, limits: Limits) -> tuple[float, float]:
    """Deliver what the limits allow of a request over one interval.

    Args:
        energy_mwh: stored energy at the start of the interval.
        request_mwh: energy asked for at the grid connection, + sold, - bought.
        limits: the battery over one interval.

    Returns:
        The energy delivered at the grid connection (MWh, same sign) and the stored energy at the interval's end.
    """
    kept = energy_mwh * limits.retention
    if request_mwh > 0.0:
        # Self-discharge may have drawn the store below its floor; then nothing is left to sell.
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
def _step(energy: Array, request_mw: Array, interval_h: float, limits: Limits) -> tuple[Array, Array]:
    power, after = np.empty_like(energy), np.empty_like(energy)
    for i in range(len(energy)):
        delivered, after[i] = deliver_mwh(energy[i], request_mw[i] * interval_h, limits)
        power[i] = delivered / interval_h
    return power, after


@nb.njit(cache=True)
def _run(energy: float, request: Array, limits: Limits) -> tuple[Array, Array]:
    delivered, stored = np.empty_like(request), np.empty(len(request) + 1)
    stored[0] = energy
    for t in range(len(request)):
        delivered[t], stored[t + 1] = deliver_mwh(stored[t], request[t], limits)
    return delivered, stored


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A grid battery.

    Attributes:
        power_mw: the most that it charges or discharges at the grid connection, MW.
        capacity_mwh: stored energy when full (soc 1), MWh.
        soc_min: the soc that discharging stops at, a fraction of capacity.
        soc_max: the soc that charging stops at, a fraction of capacity.
        soc_start: the soc at the start of a period that is judged.
        round_trip_efficiency: MWh sold per MWh bought, a fraction.
        charge_loss_share: how much of the loss falls on charging: 0.5 splits it evenly (each side loses the square
            root), 1 puts all on charging, 0 all on discharging.
        wear_per_mwh: what a MWh discharged at the grid costs in wear, in the market's currency.
        self_discharge_per_day: the fraction of stored energy lost in a day of standing still.
        grid_fee_per_mwh: what the network charges for a MWh bought, in the market's currency.
    """

    power_mw: float
    capacity_mwh: float
    soc_min: float
    soc_max: float
    soc_start: float
    round_trip_efficiency: float
    charge_loss_share: float
    wear_per_mwh: float
    self_discharge_per_day: float
    grid_fee_per_mwh: float

    def __post_init__(self) -> None:
        require(0 < self.power_mw < np.inf, "battery.power_mw", "must be greater than 0 MW", self.power_mw)
        require(0 < self.capacity_mwh < np.inf, "battery.capacity_mwh", "must be greater than 0 MWh", self.capacity_mwh)
        require(0 <= self.soc_min < 1, "battery.soc_min", "must be a fraction from 0 to below 1", self.soc_min)
        rule = f"must be a fraction above battery.soc_min = {self.soc_min} and at most 1"
        require(self.soc_min < self.soc_max <= 1, "battery.soc_max", rule, self.soc_max)
        rule = f"must lie between battery.soc_min = {self.soc_min} and battery.soc_max = {self.soc_max}"
        require(self.soc_min <= self.soc_start <= self.soc_max, "battery.soc_start", rule, self.soc_start)
        rule = "must be a fraction above 0 and at most 1"
        require(0 < self.round_trip_efficiency <= 1, "battery.round_trip_efficiency", rule, self.round_trip_efficiency)
        rule = "must be a fraction from 0 to 1"
        require(0 <= self.charge_loss_share <= 1, "battery.charge_loss_share", rule, self.charge_loss_share)
        require(0 <= self.wear_per_mwh < np.inf, "battery.wear_per_mwh", "must be 0 or more", self.wear_per_mwh)
        rule = "must be a fraction from 0 to below 1"
        lost = self.self_discharge_per_day
        require(0 <= lost < 1, "battery.self_discharge_per_day", rule, lost)
        fee = self.grid_fee_per_mwh
        require(0 <= fee < np.inf, "battery.grid_fee_per_mwh", "must be 0 or more", fee)

    @property
    def charge_efficiency(self) -> float:
        """Stored MWh per MWh bought."""
        return float(self.round_trip_efficiency**self.charge_loss_share)

    @property
    def discharge_efficiency(self) -> float:
        """MWh sold per MWh taken from storage."""
        return float(self.round_trip_efficiency ** (1 - self.charge_loss_share))

    @property
    def energy_min_mwh(self) -> float:
        """Stored energy at ``soc_min``, MWh."""
        return self.soc_min * self.capacity_mwh

    @property
    def energy_max_mwh(self) -> float:
        """Stored energy at ``soc_max``, MWh."""
        return self.soc_max * self.capacity_mwh

    @property
    def energy_start_mwh(self) -> float:
        """Stored energy at ``soc_start``, MWh."""
        return self.soc_start * self.capacity_mwh

    def limits(self, interval_h: float) -> Limits:
        """Return the battery over one dispatch interval, for compiled code."""
        return _limits(self, interval_h)

    def step(self, energy_mwh: Array, request_mw: Array, interval_h: float) -> tuple[Array, Array]:
        """Run one dispatch interval for many batteries at once.

        Args:
            energy_mwh: (N,) stored energy at the start.
            request_mw: (N,) power asked for, + discharges.
            interval_h: length of the interval, hours.

        Returns:
            (N,) power delivered in MW and (N,) stored energy at the end in MWh. A request past a limit is delivered
            in part; the store never overshoots.
        """
        energy, request = np.asarray(energy_mwh, np.float64), np.asarray(request_mw, np.float64)
        power, after = _step(energy, request, interval_h, self.limits(interval_h))
        return power, after

    def run(self, request_mw: Array, interval_h: float, energy_mwh: float | None = None) -> tuple[Array, Array]:
        """Run one battery through a schedule of requests.

        Args:
            request_mw: (T,) power asked for in each interval, + discharges.
            interval_h: length of an interval, hours.
            energy_mwh: stored energy at the start; ``energy_start_mwh`` if not given.

        Returns:
            (T,) power delivered in MW and (T + 1,) stored energy in MWh, the first before the first interval.
        """
        start = self.energy_start_mwh if energy_mwh is None else energy_mwh
        request = np.asarray(request_mw, np.float64) * interval_h
        delivered, stored = _run(start, request, self.limits(interval_h))
        return delivered / interval_h, stored


@lru_cache(maxsize=64)
def _limits(battery: Battery, interval_h: float) -> Limits:
    """Return a battery over one dispatch interval; asked for at every step of training."""
    return Limits(
        power_mwh=battery.power_mw * interval_h,
        energy_min_mwh=battery.energy_min_mwh,
        energy_max_mwh=battery.energy_max_mwh,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        retention=float((1 - battery.self_discharge_per_day) ** (interval_h / 24)),
    )
