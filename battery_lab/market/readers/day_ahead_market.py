"""Day-ahead market: the base class of readers whose operator publishes day-ahead prices, which are known ahead."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path

from battery_lab.common.validated_options import options
from battery_lab.market.forecasts.daily_publication import DailyPublication, TimeOfDayBefore, price_rule
from battery_lab.market.readers.file_market_base import FileMarket

DAY_AHEAD, REAL_TIME = "day-ahead", "real-time"


@options("market")
class DayAheadMarket(FileMarket, ABC):
    """A market of files that may hold the prices of a day-ahead auction.

    Attributes:
        day_ahead_published: time of the day before at which day-ahead prices are published; None: they count as unknown
            before their interval. Real-time prices are not published ahead, whatever the time is.
    """

    day_ahead_published: TimeOfDayBefore | None

    def publications(
        self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int
    ) -> dict[str, DailyPublication]:
        """Return the rule of the price if it is that of the day-ahead auction."""
        if self.price_kind(files, selected, interval_s) != DAY_AHEAD:
            return {}
        return price_rule(self.day_ahead_published, self.calendar_zone(next(iter(selected.values()), "")))
