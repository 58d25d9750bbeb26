"""Short history: the notes of a result whose training or test period is too short to trust.

The rule: prices have a yearly season, so a training period of less than a year has not seen all of it, and what a
policy earns then depends on the seed much more than with years of prices. In a test period of less than a quarter, few
days with high prices decide.
"""

from __future__ import annotations

from battery_lab.envs.battery.time_split import TimeSplit
from battery_lab.market.market_series import MarketSeries

# Days with prices, as gaps teach nothing.
TRAINING_DAYS, TEST_DAYS = 365, 90


def history_notes(series: MarketSeries, split: TimeSplit) -> list[str]:
    """Return a sentence for each period that is too short to trust; none if both are long enough."""
    notes = []
    training = _days_with_prices(series, 0, split.train_end)
    if training < TRAINING_DAYS:
        notes.append(
            f"The training period has {training:.0f} days with prices, less than a year, so it does not show all "
            "seasons: results of the same trial with other seeds can differ widely. Add earlier files, or compare "
            "several seeds"
        )
    test = _days_with_prices(series, split.test_first, split.end)
    if test < TEST_DAYS:
        notes.append(
            f"The test period has {test:.0f} days with prices, less than {TEST_DAYS}, so few days decide its figures"
        )
    return notes


def _days_with_prices(series: MarketSeries, first: int, end: int) -> float:
    return float((~series.gap[first:end]).sum()) / series.intervals_per_day
