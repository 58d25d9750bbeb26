"""Row lengths: rows of longer intervals repeated in the shorter ones, where a market changed from hours to quarters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def repeat_long_rows(file: Path, frame: pd.DataFrame, minutes: int | None) -> tuple[pd.DataFrame, list[str]]:
    """Repeat each row in all intervals that it covers: the price per MWh of an hour is that of each of its quarters.

    Args:
        file: the file.
        frame: rows with ``stamp``, which marks the start of an interval, and ``length``, its minutes.
        minutes: the length to reach; None takes the shortest of the rows. Longer rows of a multiple are repeated.

    Returns:
        The rows without ``length``, and a sentence on the repeated ones, if there are any.
    """
    length = frame["length"].to_numpy(np.int64)
    frame = frame.drop(columns="length")
    target = minutes or (int(length.min()) if len(length) else 1)
    times = np.where((length > target) & (length % target == 0), length // target, 1)
    if (times == 1).all():
        return frame, []
    long = length[times > 1]
    repeated = frame.iloc[np.repeat(np.arange(len(frame)), times)].reset_index(drop=True)
    step = np.concatenate([np.arange(count) for count in times]) * np.timedelta64(60 * target, "s")
    repeated["stamp"] += step
    lengths = "/".join(map(str, np.unique(long)))
    return repeated, [f"{file.name}: {len(long):,} rows of {lengths} minutes are repeated every {target} minutes"]


def clock_minutes(begin: pd.Series, end: pd.Series) -> pd.Series:
    """Return the minutes of intervals of at most an hour, whatever a clock does between their stamps."""
    minutes = (end - begin).dt.total_seconds().astype("int64") // 60 % 60
    return minutes.where(minutes > 0, 60)
