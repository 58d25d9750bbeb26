"""Battery physics: limits, efficiencies and the dispatch of one interval.

This is the only module that computes physics. Power is in MW at the grid connection, + discharges (sells), - charges
(buys). Stored energy is in MWh inside the battery; ``soc`` is that energy as a fraction of the capacity.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Unit, options

Array = NDArray[np.float64]


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


@options("battery")
class Battery:
    """A grid battery.

    Attributes:
        power_mw: largest power at the grid connection, charging and discharging.
        capacity_mwh: stored energy when full (soc 1).
        soc_min: soc at which discharging stops, a fraction of capacity.
        soc_max: soc at which charging stops, a fraction of capacity.
        soc_start: soc at the start of an evaluated period, a fraction of capacity.
        round_trip_efficiency: MWh sold per MWh bought, a fraction.
        charge_loss_share: share of the round-trip loss that falls on charging. 0.5 splits it evenly (each side loses
            the square root), 1 puts all of it on charging, 0 all on discharging.
        wear_per_mwh: wear cost per MWh discharged at the grid connection, in the market's currency.
        self_discharge_per_day: fraction of stored energy that an idle battery loses per day.
        grid_fee_per_mwh: network charge per MWh bought, in the market's currency.
    """

    power_mw: Annotated[float, Field(gt=0), Unit("MW")]
    capacity_mwh: Annotated[float, Field(gt=0), Unit("MWh")]
    soc_min: Annotated[float, Field(ge=0, lt=1)]
    soc_max: Annotated[float, Field(gt=0, le=1)]
    soc_start: Annotated[float, Field(ge=0, le=1)]
    round_trip_efficiency: Annotated[float, Field(gt=0, le=1)]
    charge_loss_share: Annotated[float, Field(ge=0, le=1)]
    wear_per_mwh: Annotated[float, Field(ge=0)]
    self_discharge_per_day: Annotated[float, Field(ge=0, lt=1)]
    grid_fee_per_mwh: Annotated[float, Field(ge=0)]

    def __post_init__(self) -> None:
        rule = f"must be greater than battery.soc_min = {self.soc_min} and at most 1"
        require(self.soc_min < self.soc_max, "battery.soc_max", rule, self.soc_max)
        rule = f"must be from battery.soc_min = {self.soc_min} to battery.soc_max = {self.soc_max}"
        require(self.soc_min <= self.soc_start <= self.soc_max, "battery.soc_start", rule, self.soc_start)

    @property
    def charge_efficiency(self) -> float:
        """MWh stored per MWh bought."""
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
        """Return the limits over one dispatch interval, for compiled code."""
        return _limits(self, interval_h)

    def step(self, energy_mwh: Array, request_mw: Array, interval_h: float) -> tuple[Array, Array]:
        """Run one dispatch interval for many batteries at once.

        Args:
            energy_mwh: (N,) stored energy at the start.
            request_mw: (N,) requested power, + discharges.
            interval_h: length of the interval, hours.

        Returns:
            (N,) delivered power in MW and (N,) stored energy at the end in MWh. A request beyond a limit is delivered
            in part; stored energy never overshoots a limit.
        """
        energy, request = np.asarray(energy_mwh, np.float64), np.asarray(request_mw, np.float64)
        power, after = _step(energy, request, interval_h, self.limits(interval_h))
        return power, after

    def run(self, request_mw: Array, interval_h: float, energy_mwh: float | None = None) -> tuple[Array, Array]:
        """Run one battery through a schedule of requests.

        Args:
            request_mw: (T,) requested power in each interval, + discharges.
            interval_h: length of an interval, hours.
            energy_mwh: stored energy at the start; ``energy_start_mwh`` if None.

        Returns:
            (T,) delivered power in MW and (T + 1,) stored energy in MWh; the first value precedes the first interval.
        """
        start = self.energy_start_mwh if energy_mwh is None else energy_mwh
        request = np.asarray(request_mw, np.float64) * interval_h
        delivered, stored = _run(start, request, self.limits(interval_h))
        return delivered / interval_h, stored


@lru_cache(maxsize=64)
def _limits(battery: Battery, interval_h: float) -> Limits:
    """Return the limits over one interval; cached, as every training step needs them."""
    return Limits(
        power_mwh=battery.power_mw * interval_h,
        energy_min_mwh=battery.energy_min_mwh,
        energy_max_mwh=battery.energy_max_mwh,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        retention=float((1 - battery.self_discharge_per_day) ** (interval_h / 24)),
    )
