"""Cycles used: what a bidder says of its use of the caps on cycles, and what they leave of an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, require
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR, Allowance, left_shares
from battery_lab.envs.battery.interval_lookup import local_time
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.world_summary import cap_in_words, caps_in_words
from battery_lab.envs.bidding_interface import BidRequest
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]
LONGEST_YEAR = 366  # days


@dataclass(frozen=True, kw_only=True)
class CyclesUsed:
    """The use of a battery's caps before one dispatch interval.

    Attributes:
        battery: the battery.
        interval_h: length of the interval, hours.
        today: cycles used on the local day of the interval; None: not known.
        this_year: cycles used since ``year_start``; None: not known.
        year_start: the local day on which the yearly count began.
        elapsed: number of intervals since then.
    """

    battery: Battery
    interval_h: float
    today: float | None
    this_year: float | None
    year_start: date
    elapsed: int

    @classmethod
    def of(cls, battery: Battery, series: MarketSeries, row: int, request: BidRequest) -> CyclesUsed:
        """Return the use that a request states before an interval.

        Raises:
            ConfigError: it states a use of a cap that the battery does not have, or another one than is possible.
        """
        caps = {"cycles_today": "max_cycles_per_day", "cycles_this_year": "max_cycles_per_year"}
        for name, option in caps.items():
            _check(name, getattr(request, name), option, getattr(battery, option))
        if request.cycles_today is not None and request.cycles_this_year is not None:
            rule = f"must be at most cycles_this_year = {request.cycles_this_year:g}"
            require(request.cycles_today <= request.cycles_this_year, "cycles_today", rule, request.cycles_today)
        start, elapsed = _year(series, row, request)
        return cls(
            battery=battery,
            interval_h=series.interval_h,
            today=request.cycles_today,
            this_year=request.cycles_this_year,
            year_start=start,
            elapsed=elapsed,
        )

    def deliver_mw(self, energy_mwh: Array, request_mw: Array) -> Array:
        """Return the (N,) power that the battery delivers of N requests, each in the interval and alone."""
        if not self.battery.has_caps:
            return self.battery.step(energy_mwh, request_mw, self.interval_h)[0]
        rows = np.zeros(len(energy_mwh), np.int64)
        within = (rows, self._allowance, self._meters(len(rows)))
        return self.battery.step_within(energy_mwh, request_mw, self.interval_h, *within)[0]

    def left(self, count: int) -> Array:
        """Return (N, 2) equal rows that say what is left of the caps; see ``left_shares``."""
        rows = np.zeros(count, np.int64)
        shares = left_shares(self._meters(count), rows, self._allowance, rows + self.elapsed)
        return shares if self.this_year is not None else shares * [1.0, 0.0]  # a use that is not known is steady

    def in_words(self) -> list[str]:
        """Return what the caps leave, in sentences; none without caps."""
        battery, caps = self.battery, caps_in_words(self.battery)
        if not caps:
            return []
        if self.today is None and self.this_year is None:
            return [
                f"The battery sells {', '.join(caps)}: the sheet offers power as if none of it were used yet, so offer "
                "no more than what is left, or say what was used with cycles_today= and cycles_this_year=."
            ]
        since = f"since {self.year_start}"
        return [
            *self._left_in_words("day", battery.max_cycles_per_day, self.today, "today", "cycles_today"),
            *self._left_in_words("year", battery.max_cycles_per_year, self.this_year, since, "cycles_this_year"),
        ]

    def _left_in_words(self, period: str, cap: float | None, used: float | None, since: str, name: str) -> list[str]:
        if cap is None:
            return []
        sells = f"The battery sells {cap_in_words(cap, period)}"
        if used is None:
            return [f"{sells}: the sheet offers power as if none of it were used yet, as {name}= does not say."]
        left = (cap - used) * self.battery.capacity_mwh
        return [f"{sells}: {used:g} used {since}, {left:,.6g} MWh left."]

    @property
    def _allowance(self) -> Allowance:
        """The caps of the day and of a whole year."""
        year = round(DAYS_PER_YEAR * 24 / self.interval_h)
        return self.battery.allowance(np.zeros(1, np.int64), self.interval_h, year)

    def _meters(self, count: int) -> Array:
        used = np.array([0.0, self.today or 0.0, self.this_year or 0.0]) * self.battery.capacity_mwh
        return np.tile(used, (count, 1))


def _check(name: str, used: float | None, option: str, cap: float | None) -> None:
    if used is None:
        return
    if cap is None:
        raise ConfigError(
            f"{name}={used:g} needs a cap on cycles, and battery.{option} is null: leave {name} out, or set the cap"
        )
    rule = f"must be a number of cycles from 0 to battery.{option} = {cap:g}"
    require(math.isfinite(used) and 0 <= used <= cap, name, rule, used)


def _year(series: MarketSeries, row: int, request: BidRequest) -> tuple[date, int]:
    """Return the local day on which the yearly count began, and the number of intervals since then."""
    now, text = local_time(series, row), request.year_start
    if text is None:
        start = date(now.year, 1, 1)
    else:
        if request.cycles_this_year is None:
            raise ConfigError(f"year_start={text} needs cycles_this_year=..., the cycles used since then: add it")
        try:
            start = date.fromisoformat(text.strip("'\""))
        except ValueError:
            raise ConfigError(f"year_start must be a date such as 2025-07-01, got {text!r}") from None
    days = (now.date() - start).days
    rule = f"must be a day of the {LONGEST_YEAR} days up to that of the interval, {now:%Y-%m-%d}"
    require(0 <= days < LONGEST_YEAR, "year_start", rule, text)
    hours = days * 24 + now.hour + now.minute / 60
    return start, round(hours / series.interval_h)
