"""Time split: the training, validation and test periods of a market, and the starts of training episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, DataError, require
from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries

# A period is evaluated around its gaps, but not if these, with what was filled, are most of it.
MOST_MISSING = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeSplit:
    """Rows of a market series by their use.

    Attributes:
        train_end: row after the last one of the training period, the first of the validation period.
        test_first: row after the last one of the validation period, the first of the test period.
        end: row after the last one of the test period.
        episode: length of a training episode, intervals.
        starts: (S,) rows at which a whole episode without a gap can start.
    """

    train_end: int
    test_first: int
    end: int
    episode: int
    starts: NDArray[np.int64]

    @property
    def periods(self) -> dict[str, tuple[int, int]]:
        """The first row of each evaluated period and the row after its last, by name."""
        return {"validation": (self.train_end, self.test_first), "test": (self.test_first, self.end)}


def split_time(
    series: MarketSeries,
    *,
    test_days: int,
    validation_days: int,
    episode_days: float,
    warm_up: int,
    skipped_days: int = 0,
    max_filled_h: float | None = None,
) -> TimeSplit:
    """Split a series by time.

    Args:
        series: the whole series.
        test_days: length of the test period, the last of the series, days.
        validation_days: length of the validation period, before the test period, days.
        episode_days: length of a training episode, days.
        warm_up: rows of history that an observation needs; no episode starts in the first ``warm_up`` rows.
        skipped_days: days after the series that were left out, for error messages.
        max_filled_h: longest stretch of filled prices in the validation and the test period, hours; None: any.

    Raises:
        ConfigError: an episode is shorter than an interval, or does not fit between two gaps.
        DataError: the series is too short, or too much is missing in the validation or the test period.
    """
    per_day = series.intervals_per_day
    test_first = len(series) - test_days * per_day
    train_end = test_first - validation_days * per_day
    episode = round(episode_days * per_day)
    rule = f"must be at least one interval, {series.interval_h / 24:.4g} days"
    require(episode >= 1, "env.episode_days", rule, episode_days)
    if train_end - warm_up - episode < 1:
        skipped = f" without the last {skipped_days} (env.skip_last_days={skipped_days})" if skipped_days else ""
        needed = (warm_up + episode + 1) / per_day + validation_days + test_days
        raise DataError(
            f"market {series.name} holds {series.days:.1f} days{skipped}, and the split needs at least {needed:.1f}: "
            f"{test_days} for test (env.test_days), {validation_days} for validation (env.validation_days) and "
            f"an episode (env.episode_days={episode_days:g}) with its history for training; "
            "give more files or shorten these"
        )
    split = {"validation": (train_end, test_first), "test": (test_first, len(series))}
    for period, rows in split.items():
        _check_evaluated(series, period, rows, max_filled_h)
    starts = _starts(series.gap, warm_up, train_end, episode)
    if len(starts) == 0:
        rule = f"must fit between two gaps of market {series.name}"
        raise ConfigError(f"env.episode_days {rule}, got {episode_days:g}: shorten it")
    return TimeSplit(train_end=train_end, test_first=test_first, end=len(series), episode=episode, starts=starts)


def _check_evaluated(series: MarketSeries, period: str, rows: tuple[int, int], max_filled_h: float | None) -> None:
    """Raise DataError if most of an evaluated period is missing, or too long a stretch of filled prices touches it."""
    evaluated = series.rows(*rows)
    # Short filled stretches are no harm, unless there are so many that most prices are invented.
    missing = evaluated.gap if max_filled_h is None else evaluated.gap | evaluated.is_filled
    share = float(missing.mean())
    if share > MOST_MISSING:
        where = evaluated.local_start[int(np.argmax(missing))]
        filled = float((missing & ~evaluated.gap).mean())
        of_these = f" (filled in {filled:.0%}, which env.max_filled_h=null accepts)" if filled else ""
        raise DataError(
            f"market {series.name} has no price in {share:.0%} of the {period} period{of_these}, first from {where}: "
            f"add the files that are missing, or move the period (env.skip_last_days, env.{period}_days)"
        )
    if max_filled_h is None or not evaluated.is_filled.any():
        return
    # Whole stretches count, also those that begin before the period or end after it.
    edges = np.flatnonzero(np.diff(series.is_filled, prepend=False, append=False))
    first, end = edges[::2], edges[1::2]
    length_h = np.where((first < rows[1]) & (end > rows[0]), (end - first) * series.interval_h, 0.0)
    if length_h.max() > max_filled_h + 1e-9:
        longest = int(np.argmax(length_h))
        raise DataError(
            f"market {series.name} has {length_h[longest]:.4g} h of filled prices from "
            f"{series.local_start[int(first[longest])]} in the {period} period, where at most "
            f"env.max_filled_h={max_filled_h:g} may be filled: choose market.gaps=fill_or_split with "
            f"market.max_gap_h={max_filled_h:g} or less, so that the period is evaluated around the gap"
        )


def refuse_gaps_under_caps(series: MarketSeries, battery: Battery, split: TimeSplit) -> None:
    """Raise DataError where perfect foresight cannot plan: over a gap, with caps on cycles and self-discharge."""
    if battery.has_caps and battery.self_discharge_per_day > 0 and series.gap[split.train_end : split.end].any():
        where = series.local_start[split.train_end + int(np.argmax(series.gap[split.train_end :]))]
        raise DataError(
            f"market {series.name} has a gap at {where} in the validation or the test period, over which perfect "
            "foresight cannot plan a battery with caps on cycles and self-discharge: fill the gap, or leave out "
            "battery.max_cycles_per_day and battery.max_cycles_per_year, or battery.self_discharge_per_day"
        )


def _starts(gap: NDArray[np.bool_], warm_up: int, train_end: int, episode: int) -> NDArray[np.int64]:
    """Return the rows at which a whole episode without a gap can start."""
    gaps = np.concatenate([[0], np.cumsum(gap)])
    # The last observation of an episode is of the row after it, which must be in the training period, too.
    rows = np.arange(warm_up, train_end - episode)
    starts: NDArray[np.int64] = rows[gaps[rows + episode] == gaps[rows]]
    return starts
