"""Guess of a clock: the time zone of stamps, by the hours that daylight saving skips and repeats in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Clocks of markets, one for each rule of daylight saving and each hour.
ZONES = (
    *("Europe/Berlin", "Europe/London", "Europe/Helsinki"),
    *("America/New_York", "Australia/Sydney", "Pacific/Auckland", "America/Santiago"),
)
# Clocks that change on the same local hours as another one, so that stamps alone cannot tell them apart.
ALIKE = {
    "America/New_York": ("America/Chicago", "America/Denver", "America/Los_Angeles"),
    "Australia/Sydney": ("Australia/Melbourne", "Australia/Adelaide"),
    "Europe/Berlin": ("Europe/Paris", "Europe/Madrid", "Europe/Rome"),
}
# Zones by offset, for stamps that have one.
BY_OFFSET = (
    *("Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago", "America/Denver"),
    *("America/Los_Angeles", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland"),
)
Times = NDArray[np.datetime64]


class ClockGuess(NamedTuple):
    """A time zone, whether the stamps show it, and other zones that they would show in the same way."""

    zone: str
    is_certain: bool
    others: Sequence[str] = ()


def clock_of_local_stamps(times: Times) -> ClockGuess:
    """Return the clock of stamps without a UTC offset.

    A zone is shown where the stamps leave out an hour that it skips, and have no hour that it skips. If no hour is
    left out, stamps that are there where every zone skips one are on a clock without daylight saving.

    Args:
        times: (N,) datetime64[s], rising.
    """
    day = times.astype("datetime64[D]")
    there = np.unique(times.astype("datetime64[h]"))
    refuted = False
    for zone in ZONES:
        skipped = _skipped_hours(zone, times[0], times[-1])
        # Days with few rows say nothing.
        skipped = skipped[[(day == hour.astype("datetime64[D]")).sum() > 20 for hour in skipped]]
        if not len(skipped):
            continue
        if np.isin(skipped, there).any():
            refuted = True
            continue
        return ClockGuess(zone, True, ALIKE.get(zone, ()))
    return ClockGuess("UTC", False, ("a clock without daylight saving",) if refuted else ())


def clock_of_offsets(utc: pd.Series, minutes: pd.Series) -> ClockGuess:
    """Return the clock of stamps with a UTC offset.

    Args:
        utc: (N,) the stamps in UTC.
        minutes: (N,) their offsets.
    """
    offsets = set(minutes.unique())
    if offsets == {0}:
        return ClockGuess("UTC", False)
    for zone in BY_OFFSET:
        local = utc.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
        if ((local - utc).dt.total_seconds() / 60 == minutes).all():
            return ClockGuess(zone, len(offsets) > 1)
    whole = next(iter(offsets)) // 60
    if len(offsets) == 1 and next(iter(offsets)) % 60 == 0:
        return ClockGuess(f"Etc/GMT{-whole:+d}", True)
    return ClockGuess("UTC", False)


def _skipped_hours(zone: str, first: np.datetime64, last: np.datetime64) -> Times:
    """Return the local hours from ``first`` to ``last`` that a zone skips."""
    hours = pd.date_range(pd.Timestamp(first).floor("h"), pd.Timestamp(last), freq="h")
    skipped = hours.tz_localize(zone, ambiguous=np.ones(len(hours), bool), nonexistent="NaT").isna()
    return np.asarray(hours[skipped], "datetime64[h]")
