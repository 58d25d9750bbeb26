"""Superseded rows: the newest of several rows for one interval, where the operator numbers or dates its corrections."""

from __future__ import annotations

import pandas as pd

from battery_lab.market.intervals.one_row_per_interval import VERSION


def newest_versions(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the newest version of each interval, once each, and sentences on what was left out.

    Rows of one version with different values are all returned: which of them is right is not known.

    Args:
        frame: rows with ``stamp``, which must be unambiguous (with ``repeated``, if that is there), and ``version``,
            which is larger in newer rows. A frame without ``version`` is returned as it is.

    Returns:
        The rows without ``version``, in their order.
    """
    if VERSION not in frame:
        return frame, []
    interval = [name for name in ("stamp", "repeated") if name in frame]
    if not frame.duplicated(interval).any():
        return frame.drop(columns=VERSION), []
    newest = frame[frame[VERSION] == frame.groupby(interval)[VERSION].transform("max")].drop(columns=VERSION)
    content = [name for name in newest.columns if name not in ("row", "file")]
    kept = newest[~newest.duplicated(content)]
    counts = {
        "are superseded by newer versions": len(frame) - len(newest),
        "repeat another row": len(newest) - len(kept),
    }
    return kept, [f"{count:,} row(s) {what}, and were left out" for what, count in counts.items() if count]
