"""Transition accounts: the outcome of a dispatch interval, and its revenue, wear, grid fee and profit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Battery

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One dispatch interval of N batteries, or T intervals of one.

    Attributes:
        row: (N,) the interval's row in the market series.
        price: (N,) price of the interval, currency per MWh.
        request_mw: (N,) requested power, + discharges.
        power_mw: (N,) delivered power.
        energy_mwh: (N,) stored energy at the start of the interval.
        energy_after_mwh: (N,) stored energy at its end.
        interval_h: length of the interval, hours.
        battery: the battery.
    """

    row: NDArray[np.int64]
    price: Array
    request_mw: Array
    power_mw: Array
    energy_mwh: Array
    energy_after_mwh: Array
    interval_h: float
    battery: Battery

    @cached_property
    def _money(self) -> tuple[Array, ...]:
        # float, because numba compiles once per argument type and options may be integers.
        battery = self.battery
        wear = float(battery.wear_per_mwh), float(battery.wear_per_mwh_charged)
        prices = (*wear, float(battery.grid_fee_per_mwh))
        return tuple(_account(self.price, self.power_mw, self.interval_h, *prices))

    @property
    def sold_mwh(self) -> Array:
        """(N,) energy discharged at the grid connection, MWh."""
        return self._money[0]

    @property
    def bought_mwh(self) -> Array:
        """(N,) energy charged at the grid connection, MWh."""
        return self._money[1]

    @property
    def revenue(self) -> Array:
        """(N,) price x delivered power x interval length, in the market's currency."""
        return self._money[2]

    @property
    def wear(self) -> Array:
        """(N,) wear cost of the energy discharged and charged."""
        return self._money[3]

    @property
    def grid_fee(self) -> Array:
        """(N,) network charge for the energy bought."""
        return self._money[4]

    @property
    def profit(self) -> Array:
        """(N,) revenue less wear and grid fee."""
        return self._money[5]


@nb.njit(cache=True)
def _account(
    price: Array, power_mw: Array, interval_h: float, wear_sold: float, wear_bought: float, fee_per_mwh: float
) -> Array:
    """Return the (6, N) accounts in the order of Transition's properties, in one pass, for speed in training."""
    if len(price) != len(power_mw):
        raise ValueError("price and power_mw must have the same length")
    account = np.empty((6, len(power_mw)))
    for n in range(len(power_mw)):
        sold, bought = max(power_mw[n], 0.0) * interval_h, max(-power_mw[n], 0.0) * interval_h
        revenue = price[n] * power_mw[n] * interval_h
        wear, fee = wear_sold * sold + wear_bought * bought, fee_per_mwh * bought
        account[0, n], account[1, n], account[2, n] = sold, bought, revenue
        account[3, n], account[4, n], account[5, n] = wear, fee, revenue - wear - fee
    return account
