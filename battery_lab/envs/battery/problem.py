"""A stretch of market time for one battery: what a policy is judged on."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.series import MarketSeries


@dataclass(frozen=True, kw_only=True)
class DispatchProblem:
    """Dispatch one battery through rows ``first`` to before ``end`` of a market series.

    Attributes:
        series: the whole series; rows before ``first`` are the history that a policy may look back on.
        battery: the battery; it starts at its ``soc_start``.
        first: first row that is dispatched.
        end: row after the last one dispatched.
        train_end: row after the last one of training time; fits may use rows before it and no others.
        price_lag: 0 if the price of the interval being dispatched is known, 1 if only the one before is.
    """

    series: MarketSeries
    battery: Battery
    first: int
    end: int
    train_end: int
    price_lag: int

    @property
    def dispatched(self) -> MarketSeries:
        """The rows that are dispatched."""
        return self.series.rows(self.first, self.end)

    @property
    def training(self) -> MarketSeries:
        """The rows that fits may use."""
        return self.series.rows(0, self.train_end)
