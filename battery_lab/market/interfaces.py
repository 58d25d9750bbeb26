"""Interfaces of a market: what each option of conf/market provides."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from battery_lab.market.market_series import MarketSeries


class Market(Protocol):
    """An option of conf/market: a source of prices."""

    def load(self) -> MarketSeries:
        """Return the whole series.

        Raises:
            DataError: the source cannot be used; the message names the file, the row and the remedy.
        """


@runtime_checkable
class CacheableMarket(Market, Protocol):
    """A market without files, whose series a cache may keep. Markets with files have a cache of their own."""

    def load_cached(self, folder: str) -> MarketSeries:
        """Return what ``load`` returns, from the cache in a folder if it holds the series."""
