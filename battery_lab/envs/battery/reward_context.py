"""Reward context: the market, battery and perfect-foresight values that terms are bound to once, before training.

The values of an interval, from which terms compute a reward, are in ``transition_accounts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]


class ValueTable(Protocol):
    """The perfect-foresight value of stored energy over the training period."""

    def at(self, row: NDArray[np.int64], energy_mwh: Array) -> Array:
        """Return the (N,) best profit from the start of each row to the end, for (N,) stored energy."""


def no_throughput_price() -> float:
    """Return the throughput price of a battery without caps on cycles."""
    return 0.0


@dataclass(frozen=True, kw_only=True)
class RewardContext:
    """Context that reward terms are bound to; limited to the training period.

    Attributes:
        series: the market series up to the end of the training period, with the same row numbers.
        battery: the battery.
        num_envs: number of environments per call.
        hindsight: returns the perfect-foresight value on the training prices; computed on the first call.
        throughput_price: returns the price per MWh discharged that stands for caps on cycles; 0 without caps. A shaping
            subtracts it from the reward, and ``hindsight`` includes it besides the battery's wear.
    """

    series: MarketSeries
    battery: Battery
    num_envs: int
    hindsight: Callable[[], ValueTable]
    throughput_price: Callable[[], float] = no_throughput_price
