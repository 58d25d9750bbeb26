"""Dated baselines: the baselines of a battery on days by date, without a training, validation and test period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.battery.baseline_evaluations import evaluate_baselines
from battery_lab.envs.battery.battery_world import BatteryWorld
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.evaluated_gap_checks import check_evaluated, refuse_gaps_under_caps
from battery_lab.envs.battery.fitted_throughput_price import fitted_throughput_price
from battery_lab.envs.battery.world_summary import battery_metrics, known_in_words, vintage_in_words
from battery_lab.envs.interfaces import Evaluation
from battery_lab.market.forecasts.future_values import known_lag
from battery_lab.market.market_series import MarketSeries

if TYPE_CHECKING:
    from battery_lab.envs.battery.environment import BatteryMarket

FORM = "2025-01-01/2025-01-31, the first and the last day"


class DatedBaselines:
    """The baselines of an environment on some days of its market; see ``BaselinePeriod``.

    Baselines that fit prices use all rows before the first day.
    """

    score, optimum, rule = BatteryWorld.score, BatteryWorld.optimum, BatteryWorld.rule

    def __init__(self, option: BatteryMarket, series: MarketSeries, days: str) -> None:
        """Find the rows.

        Args:
            option: the parameters of the environment.
            series: the whole market series.
            days: the first and the last day on the market's local clock, ``2025-01-01/2025-01-31``.

        Raises:
            ConfigError: these are no two days in order.
            DataError: the series does not hold them all and a day before them, or too much of them is missing.
        """
        self._option, self._series, self._days = option, series, days
        self._first, self._end = _rows(series, days)
        _check_history(series, days, self._first)
        check_evaluated(series, days, (self._first, self._end), option.max_filled_h)
        refuse_gaps_under_caps(series, option.battery, self._first, self._end)
        self.metrics = battery_metrics(option.battery, series.currency)

    @property
    def known(self) -> str:
        """What a policy knows of the price of the interval, and the caps on cycles."""
        return known_in_words(self._series, self.known_code, self._option.battery)

    @property
    def known_code(self) -> int:
        """The number of what is known of the price of the interval."""
        return 2 if self._option.actions == "bids" else self._option.known_lag

    def summary(self) -> Mapping[str, str]:
        """Return market, days and battery by label."""
        series, battery = self._series, self._option.battery
        rows = f"{self._end - self._first:,} intervals of {60 * series.interval_h:g} minutes"
        return {
            "Market": series.name,
            "Days": f"{self._days}, {rows}",
            "Battery": f"{battery.power_mw:g} MW, {battery.capacity_mwh:g} MWh",
            "Known": self.known,
            **({"Forecasts": "; ".join(vintages)} if (vintages := self._vintages()) else {}),
        }

    def _vintages(self) -> list[str]:
        """Return the forecasts that a baseline may plan on, one phrase each."""
        seen = self._series.rows(self._first, self._end)
        return [vintage_in_words(seen, name) for name in seen.forecasts]

    def baselines(self, names: Sequence[str]) -> dict[str, Evaluation]:
        """Evaluate some baselines, by name."""
        chosen = {name: self._option.baselines[name] for name in names}
        return evaluate_baselines(self._option.cache, chosen, self._problem())

    def _problem(self) -> DispatchProblem:
        option = self._option
        problem = DispatchProblem(
            series=self._series,
            battery=option.battery,
            first=self._first,
            end=self._end,
            train_end=self._first,
            price_lag=option.known_lag if option.actions == "bids" else known_lag(self._series, option.known_lag),
            bids=option.actions == "bids",
        )
        return replace(problem, throughput_price=fitted_throughput_price(option.cache, problem))


def _rows(series: MarketSeries, days: str) -> tuple[int, int]:
    """Return the first row of some days and the row after their last."""
    first, last = (int(np.datetime64(day, "D").astype(np.int64)) for day in _dates(days))
    local = series.local_day
    # If the days are whole, the interval before the first row and the one after the last row belong to other days.
    step = np.timedelta64(round(series.interval_h * 3600), "s")
    outside = pd.DatetimeIndex([series.start[0] - step, series.start[-1] + step]).tz_localize("UTC")
    midnights = outside.tz_convert(series.time_zone).tz_localize(None).to_numpy().astype("datetime64[D]")
    before, after = midnights.astype(np.int64).tolist()
    if first <= before or last >= after:
        held = " to ".join(str(np.datetime64(int(day), "D")) for day in (local[0], local[-1]))
        raise DataError(
            f"period={days}: market {series.name} holds {held}: choose days within it, whole ones, or add files"
        )
    return int(np.searchsorted(local, first, "left")), int(np.searchsorted(local, last, "right"))


def _check_history(series: MarketSeries, days: str, first: int) -> None:
    """Raise DataError without a day of known prices before the first row: baselines fit and compare prices."""
    if int((~series.gap[:first]).sum()) < series.intervals_per_day:
        raise DataError(
            f"period={days}: baselines need at least a day of prices before the period, and market {series.name} "
            f"begins at {series.local_start[0]}: choose a later first day, or add files"
        )


def _dates(days: str) -> Sequence[date]:
    try:
        first, last = (date.fromisoformat(part) for part in days.split("/"))
    except ValueError:
        raise ConfigError(f"period must be test, validation or {FORM}, got {days!r}") from None
    if last < first:
        raise ConfigError(f"period must be {FORM}, in this order, got {days!r}")
    return first, last
