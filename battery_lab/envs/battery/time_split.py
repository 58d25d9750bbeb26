"""Time split: the training, validation and test periods of a market, and the starts of training episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, DataError, require
from battery_lab.envs.battery.evaluated_gap_checks import check_evaluated
from battery_lab.market.market_series import MarketSeries


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
        check_evaluated(series, period, rows, max_filled_h)
    starts = _starts(series.gap, warm_up, train_end, episode)
    if len(starts) == 0:
        rule = f"must fit between two gaps of market {series.name}"
        raise ConfigError(f"env.episode_days {rule}, got {episode_days:g}: shorten it")
    return TimeSplit(train_end=train_end, test_first=test_first, end=len(series), episode=episode, starts=starts)


def _starts(gap: NDArray[np.bool_], warm_up: int, train_end: int, episode: int) -> NDArray[np.int64]:
    """Return the rows at which a whole episode without a gap can start."""
    gaps = np.concatenate([[0], np.cumsum(gap)])
    # The last observation of an episode is of the row after it, which must be in the training period, too.
    rows = np.arange(warm_up, train_end - episode)
    starts: NDArray[np.int64] = rows[gaps[rows + episode] == gaps[rows]]
    return starts
