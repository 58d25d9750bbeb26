"""Dispatch arrays: a dispatch and a battery as plain numbers, for the checks in ``dispatch_invariants``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class BatteryParameters(Protocol):
    """What the invariants need to know of a battery; ``Battery`` and ``PlainBattery`` have it."""

    @property
    def power_mw(self) -> float:
        """Largest power at the grid connection."""

    @property
    def capacity_mwh(self) -> float:
        """Stored energy when full."""

    @property
    def soc_min(self) -> float:
        """Lowest soc that discharging may reach, a fraction of capacity."""

    @property
    def soc_max(self) -> float:
        """Highest soc, a fraction of capacity."""

    @property
    def charge_efficiency(self) -> float:
        """MWh stored per MWh bought."""

    @property
    def discharge_efficiency(self) -> float:
        """MWh sold per MWh taken from storage."""

    @property
    def self_discharge_per_day(self) -> float:
        """Fraction of stored energy that an idle battery loses per day."""

    @property
    def wear_per_mwh(self) -> float:
        """Wear cost per MWh discharged at the grid connection."""

    @property
    def wear_per_mwh_charged(self) -> float:
        """Wear cost per MWh charged at the grid connection."""

    @property
    def grid_fee_per_mwh(self) -> float:
        """Network charge per MWh bought."""

    @property
    def max_cycles_per_day(self) -> float | None:
        """Cap on discharged energy per local day, in multiples of the capacity; None: no cap."""

    @property
    def max_cycles_per_year(self) -> float | None:
        """Cap on discharged energy per 365 days, in multiples of the capacity; None: no cap."""


@dataclass(frozen=True, kw_only=True)
class PlainBattery:
    """A battery as plain numbers, for dispatches of other programs; see ``BatteryParameters``."""

    power_mw: float
    capacity_mwh: float
    soc_min: float
    soc_max: float
    charge_efficiency: float
    discharge_efficiency: float
    self_discharge_per_day: float = 0.0
    wear_per_mwh: float = 0.0
    wear_per_mwh_charged: float = 0.0
    grid_fee_per_mwh: float = 0.0
    max_cycles_per_day: float | None = None
    max_cycles_per_year: float | None = None


@dataclass(frozen=True, kw_only=True)
class DispatchArrays:
    """A dispatch of one battery through T intervals; what is None is not checked.

    Power is in MW at the grid connection, + discharges (sells), - charges (buys). Energy is in MWh.

    Attributes:
        interval_h: length of an interval, hours.
        start_mwh: stored energy that the dispatch must begin with.
        price: (T,) price of each interval, currency per MWh.
        power_mw: (T,) delivered power.
        energy_mwh: (T,) stored energy at the start of each interval.
        energy_after_mwh: (T,) stored energy at its end.
        request_mw: (T,) requested power.
        sold_mwh: (T,) energy discharged at the grid connection.
        bought_mwh: (T,) energy charged at the grid connection.
        idle: (T,) True where the battery must be idle, as the price is not known.
        day: (T,) number of the local day, for a cap per day.
        revenue: (T,) price x delivered power x interval.
        wear: (T,) wear cost of the energy discharged and charged.
        grid_fee: (T,) network charge for the energy bought.
        profit: (T,) revenue less wear and grid fee.
    """

    interval_h: float
    start_mwh: float | None = None
    price: Array
    power_mw: Array
    energy_mwh: Array
    energy_after_mwh: Array
    request_mw: Array | None = None
    sold_mwh: Array | None = None
    bought_mwh: Array | None = None
    idle: NDArray[np.bool_] | None = None
    day: NDArray[np.int64] | None = None
    revenue: Array | None = None
    wear: Array | None = None
    grid_fee: Array | None = None
    profit: Array | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.price)
        for name, values in self.given.items():
            if len(shape) != 1 or np.shape(values) != shape:
                raise ValueError(f"{name} must be a (T,) array with T as in price, {shape}, got {np.shape(values)}")

    @property
    def given(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that are not None, by name."""
        numbers = ("interval_h", "start_mwh")
        return {name: values for name, values in vars(self).items() if name not in numbers and values is not None}

    @cached_property
    def sold(self) -> Array:
        """(T,) energy sold, MWh, from the delivered power."""
        return np.maximum(self.power_mw, 0.0) * self.interval_h

    @cached_property
    def bought(self) -> Array:
        """(T,) energy bought, MWh, from the delivered power."""
        return np.maximum(-self.power_mw, 0.0) * self.interval_h
