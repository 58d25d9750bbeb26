"""European market: the base class of readers of the coupled day-ahead auction, with a price for each bidding zone."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.intervals.price_plausibility import Range
from battery_lab.market.readers.day_ahead_market import DAY_AHEAD, DayAheadMarket

CENTRAL = "Europe/Brussels"  # CET and CEST
# Country code at the start of a bidding zone's name -> local clock. Others are on Central European time.
CLOCKS = {
    "BG": "Europe/Sofia",
    "CY": "Asia/Nicosia",
    "EE": "Europe/Tallinn",
    "FI": "Europe/Helsinki",
    "GB": "Europe/London",
    "GR": "Europe/Athens",
    "IE": "Europe/Dublin",
    "LT": "Europe/Vilnius",
    "LV": "Europe/Riga",
    "MD": "Europe/Chisinau",
    "NIE": "Europe/London",
    "PT": "Europe/Lisbon",
    "RO": "Europe/Bucharest",
    "TR": "Europe/Istanbul",
    "UA": "Europe/Kyiv",
}
# EUR per MWh. The harmonised limits of the day-ahead coupling are -500 and 4,000 since May 2022; earlier ones and those
# of other auctions were within -3,000 and 5,000.
PRICES: Range = (-3_000.0, 5_000.0)
HOUR_S = 3600


@options("market")
class EuropeanMarket(DayAheadMarket, ABC):
    """A market of the day-ahead prices of bidding zones, in files on Central European time."""

    selectors: ClassVar[tuple[str, ...]] = ("area",)
    interval_hint: ClassVar[str] = "The market changed from hours to quarters of an hour on 2025-10-01"

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str:
        return DAY_AHEAD

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range | None:
        """Return the range of European prices in EUR; that in other currencies is not known."""
        return PRICES if self.currency == "EUR" else None

    def stamp_zone(self) -> str:
        """Return Central European time, on which ``read`` returns stamps."""
        return CENTRAL

    def calendar_zone(self, location: str) -> str:
        """Return the zone's local clock, unless ``time_zone`` is set."""
        country = location.upper().rstrip("0123456789").split("-")[0]
        return self.time_zone or CLOCKS.get(country, CENTRAL)


def clock_seconds(begin: pd.Series, end: pd.Series) -> pd.Series:
    """Return the lengths of intervals of at most an hour, seconds, whatever a clock does between their stamps."""
    seconds = (end - begin).dt.total_seconds().astype("int64") % HOUR_S
    return seconds.where(seconds > 0, HOUR_S)
