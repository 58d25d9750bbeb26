"""NEM market: the base class of readers of AEMO's files on Australia's National Electricity Market."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.intervals.price_plausibility import Range
from battery_lab.market.readers.day_ahead_market import REAL_TIME
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.vintage_market_base import VintageMarket

NEM_TIME = "Etc/GMT-10"
LOCAL_TIME = {
    "NSW1": "Australia/Sydney",
    "QLD1": "Australia/Brisbane",
    "SA1": "Australia/Adelaide",
    "TAS1": "Australia/Hobart",
    "VIC1": "Australia/Melbourne",
}
# AUD per MWh. AEMC, schedules of reliability settings: the market floor price, and the market price cap from each date.
FLOOR = -1_000.0
ROUNDING = 0.015  # files hold prices at a limit that are a cent beyond it
CAPS = {
    "1998-12-01": 5_000.0,
    "2002-04-01": 10_000.0,
    "2010-07-01": 12_500.0,
    "2012-07-01": 12_900.0,
    "2013-07-01": 13_100.0,
    "2014-07-01": 13_500.0,
    "2015-07-01": 13_800.0,
    "2016-07-01": 14_000.0,
    "2017-07-01": 14_200.0,
    "2018-07-01": 14_500.0,
    "2019-07-01": 14_700.0,
    "2020-07-01": 15_000.0,
    "2021-07-01": 15_100.0,
    "2022-07-01": 15_500.0,
    "2023-07-01": 16_600.0,
    "2024-07-01": 17_500.0,
    "2025-07-01": 20_300.0,
    "2026-07-01": 40_600.0,  # not known yet: twice the last one
}


def floor_and_cap(stamps: NDArray[np.datetime64]) -> Range:
    """Return the market's floor and (N,) its cap at UTC stamps: no regional price is beyond them."""
    dates, caps = np.array(list(CAPS), "datetime64[s]"), np.array(list(CAPS.values()))
    nem_time = stamps + np.timedelta64(10, "h")
    cap = caps[np.maximum(np.searchsorted(dates, nem_time, "right") - 1, 0)]
    return FLOOR - ROUNDING, cap + ROUNDING


@options("market")
class NemMarket(VintageMarket, ABC):
    """A market of regional prices, stamped by the END of the interval in UTC+10 all year.

    Attributes:
        region: the region, for example ``VIC1``; None uses the only one in the files.
    """

    region: Name | None

    def stamp_zone(self) -> str:
        """Return NEM time: UTC+10 without daylight saving."""
        return NEM_TIME

    def stamps_end(self) -> bool:
        """Return True: the last row of a file of a month is 00:00:00 of the next one."""
        return True

    def calendar_zone(self, location: str) -> str:
        """Return the region's local clock, with daylight saving, unless ``time_zone`` is set."""
        return self.time_zone or LOCAL_TIME.get(location.upper(), NEM_TIME)

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str:
        return REAL_TIME

    def limits_by_time(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the market's floor and its cap of that year, which published prices miss by a cent at times."""
        floor, cap = floor_and_cap(stamps)
        return floor + 2 * ROUNDING, cap - 2 * ROUNDING

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the market's floor and its cap of that year."""
        return floor_and_cap(stamps)
