"""Split advice: whether a series is long enough for training, validation and test, and which options would fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from battery_lab.common.errors import LabError
from battery_lab.envs.battery.evaluated_gap_checks import refuse_gaps_under_caps
from battery_lab.envs.battery.time_split import TimeSplit, split_time
from battery_lab.market.market_series import MarketSeries

if TYPE_CHECKING:
    from battery_lab.envs.battery.environment import BatteryMarket

# Shares of a short series that are proposed for test and validation, and how many episodes should fit into training.
TEST_SHARE, VALIDATION_SHARE, EPISODES = 0.25, 0.15, 3


@dataclass(frozen=True, kw_only=True)
class SplitAdvice:
    """How a series is split.

    Attributes:
        series: the series without ``env.skip_last_days``.
        needed_days: what the options of the environment need.
        overrides: options that fit, where those of the environment do not.
        split: the periods, with ``overrides``; None if nothing fits.
        problem: why there is no split; "" if there is one.
    """

    series: MarketSeries
    needed_days: float
    overrides: dict[str, Any] = field(default_factory=dict)
    split: TimeSplit | None = None
    problem: str = ""


def advise(option: BatteryMarket, series: MarketSeries) -> SplitAdvice:
    """Return how a series is split, with shorter periods if those of an environment do not fit.

    Args:
        option: the environment; its market is not used.
        series: the whole series.
    """
    per_day = series.intervals_per_day
    skipped = option.skip_last_days + _days_of_gap_at_end(series, option.skip_last_days)
    series = series.rows(0, max(0, len(series) - skipped * per_day))
    warm_up = round(option.observation.look_back_h / series.interval_h) + option.known_lag
    episode = max(1, round(option.episode_days * per_day))
    needed = (warm_up + episode + 1) / per_day + option.validation_days + option.test_days
    days: dict[str, Any] = {
        "test_days": option.test_days,
        "validation_days": option.validation_days,
        "episode_days": option.episode_days,
    }
    shorter: dict[str, Any] = {}
    if series.days < needed:
        shorter = _shorter(series.days, (warm_up + 1) / per_day, days)
        if not shorter:
            problem = (
                f"the series has {series.days:.1f} days, which are too few for any split: an observation needs "
                f"{warm_up / per_day:.3g} days of history before the first episode. Add files"
            )
            return SplitAdvice(series=series, needed_days=needed, problem=problem)
    try:
        split = split_time(
            series,
            **{**days, **shorter},
            warm_up=warm_up,
            skipped_days=skipped,
            max_filled_h=option.max_filled_h,
        )
        refuse_gaps_under_caps(series, option.battery, split.train_end, split.end)
    except LabError as error:
        known = float((~series.gap).sum()) / per_day
        few = f"only {known:.1f} of its {series.days:.1f} days have prices, and {needed:.0f} are needed: "
        return SplitAdvice(series=series, needed_days=needed, problem=(few if known < needed else "") + str(error))
    overrides = {f"env.{name}": value for name, value in shorter.items() if value != days[name]}
    if skipped != option.skip_last_days:
        overrides["env.skip_last_days"] = skipped
    return SplitAdvice(series=series, needed_days=needed, overrides=overrides, split=split)


def _days_of_gap_at_end(series: MarketSeries, skipped_days: int) -> int:
    """Return the days at the end of a series, without the last ``skipped_days``, in which nothing is known yet.

    Files of the present year may have rows without a price up to its end.
    """
    rows = len(series) - skipped_days * series.intervals_per_day
    known = np.flatnonzero(~series.gap[: max(0, rows)])
    unknown = rows - 1 - int(known[-1]) if len(known) else 0
    return -(-unknown // series.intervals_per_day)


def _shorter(days: float, history: float, now: dict[str, Any]) -> dict[str, Any]:
    """Return periods that fit into some days, none longer than now; empty if nothing fits.

    Args:
        days: length of the series.
        history: days that the first observation needs.
        now: the periods of the environment.
    """
    test = min(now["test_days"], max(1, round(TEST_SHARE * days)))
    validation = min(now["validation_days"], max(1, round(VALIDATION_SHARE * days)))
    if days - test - validation - history < 1:
        test = validation = 1
    left = days - test - validation - history
    if left < 1:
        return {}
    episode = left / EPISODES
    whole = int(episode) if episode >= 1 else int(10 * episode) / 10
    return {"test_days": test, "validation_days": validation, "episode_days": min(now["episode_days"], float(whole))}
