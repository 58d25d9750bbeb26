"""Dispatch problems: one battery on a stretch of market time, which policies are evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries


@dataclass(frozen=True, kw_only=True)
class DispatchProblem:
    """Dispatch one battery through rows ``first`` to before ``end`` of a market series.

    Attributes:
        series: the whole series; rows before ``first`` are history for the policy.
        battery: the battery; it starts at its ``soc_start``.
        first: first dispatched row.
        end: row after the last dispatched one.
        train_end: row after the last one of the training period; only rows before it may be used to fit.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        bids: whether a policy bids before the interval's price is known, and is dispatched as the bid clears.
    """

    series: MarketSeries
    battery: Battery
    first: int
    end: int
    train_end: int
    price_lag: int
    bids: bool = False

    def __post_init__(self) -> None:
        if self.bids and self.price_lag < 1:
            raise ValueError(f"price_lag must be at least 1 with bids, got {self.price_lag}")

    @property
    def dispatched(self) -> MarketSeries:
        """The dispatched rows."""
        return self.series.rows(self.first, self.end)

    @property
    def training(self) -> MarketSeries:
        """The rows of the training period."""
        return self.series.rows(0, self.train_end)
