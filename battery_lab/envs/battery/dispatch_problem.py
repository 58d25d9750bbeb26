"""Dispatch problems: one battery on a stretch of market time, which policies are evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.cycle_caps import Allowance
from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries


@dataclass(frozen=True, kw_only=True)
class DispatchProblem:
    """Dispatch one battery through rows ``first`` to before ``end`` of a market series.

    In a gap of the series the battery is idle, whatever is requested: it keeps its energy, less self-discharge.

    Attributes:
        series: the whole series; rows before ``first`` are history for the policy.
        battery: the battery; it starts at its ``soc_start``.
        first: first dispatched row.
        end: row after the last dispatched one.
        train_end: row after the last one of the training period; only rows before it may be used to fit.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        bids: whether a policy bids before the interval's price is known, and is dispatched as the bid clears.
        throughput_price: price per MWh discharged that stands for caps on cycles in plans, in the market's currency. It
            is not part of the accounts.
    """

    series: MarketSeries
    battery: Battery
    first: int
    end: int
    train_end: int
    price_lag: int
    bids: bool = False
    throughput_price: float = 0.0

    def __post_init__(self) -> None:
        if self.bids and self.price_lag < 1:
            raise ValueError(f"price_lag must be at least 1 with bids, got {self.price_lag}")

    @property
    def dispatched(self) -> MarketSeries:
        """The dispatched rows."""
        return self.series.rows(self.first, self.end)

    @cached_property
    def idle(self) -> NDArray[np.bool_]:
        """(T,) True in the rows of a gap, whose price is not known."""
        return self.dispatched.gap

    @cached_property
    def elapsed(self) -> NDArray[np.int64]:
        """(T,) number of intervals before each one, without gaps: what a yearly cap is pro rata to so far."""
        busy = (~self.idle).astype(np.int64)
        return np.cumsum(busy) - busy

    @property
    def days(self) -> float:
        """Length of the dispatched rows in days of 24 hours, without gaps."""
        return int((~self.idle).sum()) / self.series.intervals_per_day

    @property
    def planning_battery(self) -> Battery:
        """The battery that causal plans are made for: the throughput price takes the place of caps on cycles."""
        return self.battery.priced(self.throughput_price)

    @cached_property
    def allowance(self) -> Allowance:
        """The caps on cycles on the dispatched rows; a yearly cap is pro rata to their length without gaps."""
        rows = self.end - self.first
        day = self.dispatched.local_day if self.battery.has_caps else np.zeros(rows, np.int64)
        return self.battery.allowance(day, self.series.interval_h, int((~self.idle).sum()))

    @property
    def training(self) -> MarketSeries:
        """The rows of the training period."""
        return self.series.rows(0, self.train_end)
