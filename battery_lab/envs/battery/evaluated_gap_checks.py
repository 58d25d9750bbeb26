"""Evaluated gap checks: errors where too much of a validation or test period is missing or filled."""

from __future__ import annotations

import numpy as np

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries

# A period is evaluated around its gaps, but not if these, with what was filled, are most of it.
MOST_MISSING = 0.5


def check_evaluated(series: MarketSeries, period: str, rows: tuple[int, int], max_filled_h: float | None) -> None:
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


def refuse_gaps_under_caps(series: MarketSeries, battery: Battery, first: int, end: int) -> None:
    """Raise DataError where perfect foresight cannot plan: over a gap, with caps on cycles and self-discharge."""
    if battery.has_caps and battery.self_discharge_per_day > 0 and series.gap[first:end].any():
        where = series.local_start[first + int(np.argmax(series.gap[first:]))]
        raise DataError(
            f"market {series.name} has a gap at {where} in the validation or the test period, over which perfect "
            "foresight cannot plan a battery with caps on cycles and self-discharge: fill the gap, or leave out "
            "battery.max_cycles_per_day and battery.max_cycles_per_year, or battery.self_discharge_per_day"
        )
