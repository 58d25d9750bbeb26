"""Keep a parsed series beside the runs, so that the next start need not parse it again."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from battery_lab.common.atomic_write import atomic_path
from battery_lab.market.series import MarketSeries

# Raise it whenever a reader makes another series of the same files.
READER_VERSION = 1
logger = logging.getLogger(__name__)


def cached(folder: str | None, key: str, make: Callable[[], MarketSeries]) -> MarketSeries:
    """Return the series kept under a key, or make it and keep it.

    A damaged file is made anew. A file that cannot be written costs the next start its time and nothing else, so
    it is logged and no error.

    Args:
        folder: where series are kept; None keeps none.
        key: what the series depends on, from :func:`cache_key`.
        make: makes the series.
    """
    if folder is None:
        return make()
    file = Path(folder).expanduser() / f"market-{key}.npz"
    kept = _read(file)
    if kept is not None:
        return kept
    series = make()
    try:
        _write(file, series)
    except OSError as error:
        logger.warning("The parsed market could not be kept in %s (%s); the next start parses it again", folder, error)
    return series


def cache_key(reader: str, options: Mapping[str, Any], files: Sequence[Path]) -> str:
    """Return a key that changes with the reader, its options and the files (place, size and times of change)."""
    stats = [(str(file.resolve()), file.stat()) for file in files]
    sources = [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats]
    told = json.dumps([READER_VERSION, reader, options, sources], sort_keys=True, default=dict)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _write(file: Path, series: MarketSeries) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "name": series.name,
        "currency": series.currency,
        "time_zone": series.time_zone,
        "interval_h": series.interval_h,
        "lead_h": dict(series.lead_h),
        "columns": list(series.columns),
    }
    columns: dict[str, Any] = {f"column_{i}": values for i, values in enumerate(series.columns.values())}
    with atomic_path(file) as part, part.open("xb") as out:
        start = series.start.astype(np.int64)
        np.savez(out, about=json.dumps(about), start=start, price=series.price, gap=series.gap, **columns)


def _read(file: Path) -> MarketSeries | None:
    try:
        with np.load(file, allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            names = about.pop("columns")
            return MarketSeries(
                start=kept["start"].astype("datetime64[s]"),
                price=kept["price"],
                gap=kept["gap"],
                columns={name: kept[f"column_{i}"] for i, name in enumerate(names)},
                **about,
            )
    except FileNotFoundError:
        return None
    except Exception as error:
        # Whatever is wrong with it, the source is still there to make it from.
        logger.warning("%s is damaged (%s); the market is parsed again", file, error)
        return None
