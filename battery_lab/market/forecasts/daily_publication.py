"""Daily publication: values that an operator publishes once per day, for all intervals of the next local day."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator

from battery_lab.common.validated_options import Rule

Times = NDArray[np.datetime64]
HOUR_MIN = 60
DAY_MIN = 24 * HOUR_MIN
CLOCK = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)(?:\s+(\S+))?\s*")
WORDS = "a time of the day before, such as 12:45, with or without its clock: 12:45 Europe/Brussels"


@dataclass(frozen=True)
class DailyPublication:
    """At a time of each local day, the values of all intervals of the next local day become known.

    Until then, those up to the end of the day are known.

    Attributes:
        minute: minute of the local day, from 0 to 1439.
        time_zone: IANA name of the clock, which the time and the limits of the days are on.
    """

    minute: int
    time_zone: str

    @classmethod
    def parse(cls, text: str, time_zone: str) -> DailyPublication:
        """Return the publication in a text such as ``12:45`` or ``12:45 Europe/Brussels``.

        Args:
            text: the time, and its clock if it is not ``time_zone``.
            time_zone: IANA name of the market's clock.

        Raises:
            ValueError: it is no such text.
        """
        parts = CLOCK.fullmatch(text)
        if parts is None:
            raise ValueError(f"must be {WORDS}")
        hour, minute, zone = parts.groups()
        zone = zone or time_zone
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone} is not an IANA time zone") from None
        return cls(HOUR_MIN * int(hour) + int(minute), zone)

    def known_until(self, times: Times) -> Times:
        """Return the (T,) ends of what is known at (T,) times, both datetime64[s] in UTC.

        Where the clock repeats or skips the time of publication, the later moment counts.
        """
        times = np.asarray(times).astype("datetime64[s]")
        if not len(times):
            return times
        # A local day begins up to a day before or after that of UTC.
        days: Times = np.arange(times.min().astype("datetime64[D]") - 2, times.max().astype("datetime64[D]") + 5)
        midnight = self._utc(days, first=True)
        published = self._utc(days.astype("datetime64[m]") + self.minute, first=False)
        today = np.searchsorted(midnight, times, side="right") - 1
        until: Times = midnight[today + 1 + (times >= published[today])]
        return until

    def __str__(self) -> str:
        return f"{self.minute // HOUR_MIN:02d}:{self.minute % HOUR_MIN:02d} the day before"

    def _utc(self, local: Times, *, first: bool) -> Times:
        index = pd.DatetimeIndex(local.astype("datetime64[s]"))
        aware = index.tz_localize(self.time_zone, ambiguous=np.full(len(index), first), nonexistent="shift_forward")
        return np.asarray(aware.tz_convert("UTC").tz_localize(None), "datetime64[s]")


def price_rule(text: str | None, time_zone: str) -> dict[str, DailyPublication]:
    """Return the publication of the price at a time of the day before; none without one."""
    return {} if text is None else {"price": DailyPublication.parse(text, time_zone)}


def _clock_text(value: object) -> object:
    """Return a time as text: YAML reads 12:45 without quotes as a number, the minutes of 12 hours and 45 minutes."""
    is_minute = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < DAY_MIN
    return f"{value // HOUR_MIN:02d}:{value % HOUR_MIN:02d}" if is_minute else value  # type: ignore[operator]


def _is_time(text: str) -> str:
    DailyPublication.parse(text, "UTC")
    return text


TimeOfDayBefore = Annotated[str, BeforeValidator(_clock_text), AfterValidator(_is_time), Rule(WORDS)]
