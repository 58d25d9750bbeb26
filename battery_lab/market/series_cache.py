"""Series cache: market series on disk, so that the next start neither parses files nor simulates again."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.atomic_write import atomic_path
from battery_lab.common.cache_keys_and_cleanup import cache_folder, key_of, mark_used, source_digest, trim_cache
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages, stored_runs
from battery_lab.market.forecasts.vintage_runs import Runs
from battery_lab.market.market_series import MarketSeries

logger = logging.getLogger(__name__)
CHECKED_VALUES = 1 << 20
CODE = source_digest(Path(__file__).parent.rglob("*.py"))


def cached(folder: str | None, key: str, make: Callable[[], MarketSeries]) -> MarketSeries:
    """Return the cached series for a key, or create and cache it.

    The values of forecasts are in a file of their own per product, beside that of the series. They are mapped, so that
    they take memory only where they are read.

    A damaged file is replaced. A file that cannot be written is logged and is not an error: it only costs time at the
    next start.

    Args:
        folder: folder of the cache; None disables it.
        key: the key from :func:`cache_key`.
        make: creates the series.
    """
    if folder is None:
        return make()
    file = cache_folder(folder) / f"market-{key}.npz"
    stored = _read(file)
    if stored is not None:
        for used in (file, *(_values_file(file, i) for i in range(len(stored.forecasts)))):
            mark_used(used)
        return stored
    series = make()
    try:
        _write(file, series)
        trim_cache(file.parent)
    except OSError as error:
        logger.warning("The market could not be cached in %s (%s); the next start reads or simulates it", folder, error)
        return series
    # Forecasts are then mapped from the cache, and their memory is given back.
    return (_read(file) or series) if series.forecasts else series


def cache_key(reader: type, options: Mapping[str, Any], files: Sequence[Path]) -> str:
    """Return a key that changes when the series may change.

    Args:
        reader: the class that parses the files; its code is part of the key.
        options: every option that changes the series.
        files: the price files, by path, size and timestamps.
    """
    stats = [(str(file.resolve()), file.stat()) for file in files]
    sources = [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats]
    content = json.dumps([options, sources], sort_keys=True, default=dict)
    return key_of(CODE, reader.__qualname__, _own_code(reader), content)


@functools.cache
def _own_code(reader: type) -> str:
    """Return a hash of the file that a reader's class is in, which may be the user's."""
    own = inspect.getsourcefile(reader)
    return "" if own is None else source_digest([Path(own)])


def _write(file: Path, series: MarketSeries) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "name": series.name,
        "currency": series.currency,
        "time_zone": series.time_zone,
        "interval_h": series.interval_h,
        "lead_h": dict(series.lead_h),
        "price_floor": series.price_floor,
        "price_cap": series.price_cap,
        "published_interval_h": series.published_interval_h,
        "notes": list(series.notes),
        "columns": list(series.columns),
        "published": {name: asdict(rule) for name, rule in series.published.items()},
        "forecasts": [[known.name, known.quantity, known.step_h] for known in series.forecasts.values()],
    }
    columns: dict[str, Any] = {f"column_{i}": values for i, values in enumerate(series.columns.values())}
    for i, vintages in enumerate(series.forecasts.values()):
        columns |= _write_forecast(file, i, vintages)
    # Last: with this file, the others are complete.
    with atomic_path(file) as part, part.open("xb") as out:
        start = series.start.astype(np.int64)
        marks: dict[str, Any] = {"gap": series.gap, "filled": series.is_filled}
        np.savez(out, about=json.dumps(metadata), start=start, price=series.price, **marks, **columns)


def _values_file(file: Path, i: int) -> Path:
    return file.with_name(f"{file.stem}-forecast-{i}.npy")


def _write_forecast(file: Path, i: int, vintages: ForecastVintages) -> dict[str, Any]:
    """Write the values of a forecast to a file of their own; return the times of its runs, by name."""
    published, first, offset, values = stored_runs(vintages)
    with atomic_path(_values_file(file, i)) as part:
        np.save(part, values[offset[0] : offset[-1]])
    times = {"published": published.astype(np.int64), "first": first.astype(np.int64), "offset": offset - offset[0]}
    times["checksum"] = np.array(_checksum(values[offset[0] : offset[-1]]), np.int64)
    return {f"forecast_{i}_{name}": array for name, array in times.items()}


def _checksum(values: NDArray[np.float32]) -> int:
    """Return a checksum of values, read in parts: a damaged file of this length would be used otherwise."""
    total = 0
    for first in range(0, len(values), CHECKED_VALUES):
        total = zlib.crc32(np.ascontiguousarray(values[first : first + CHECKED_VALUES]).data, total)
    return total


def _read_forecasts(file: Path, stored: Any, metadata: list[tuple[str, str, float]]) -> dict[str, ForecastVintages]:
    forecasts = {}
    for i, (name, quantity, step_h) in enumerate(metadata):
        published, first, offset = (stored[f"forecast_{i}_{part}"] for part in ("published", "first", "offset"))
        values = np.load(_values_file(file, i), mmap_mode="r", allow_pickle=False)
        is_same = values.dtype == np.float32 and len(values) == offset[-1]
        if not is_same or _checksum(values) != int(stored[f"forecast_{i}_checksum"]):
            raise ValueError(f"{_values_file(file, i).name} holds another forecast")
        runs = Runs(published.astype("datetime64[s]"), first.astype("datetime64[s]"), offset, values)
        forecasts[name] = ForecastVintages.of_runs(name=name, quantity=quantity, step_h=step_h, runs=runs)
    return forecasts


def _read(file: Path) -> MarketSeries | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            metadata = json.loads(str(stored["about"]))
            names, notes = metadata.pop("columns"), tuple(metadata.pop("notes"))
            rules, forecasts = metadata.pop("published", {}), metadata.pop("forecasts", [])
            lengths = metadata.pop("published_interval_h")
            return MarketSeries(
                start=stored["start"].astype("datetime64[s]"),
                price=stored["price"],
                gap=stored["gap"],
                filled=stored["filled"],
                notes=notes,
                columns={name: stored[f"column_{i}"] for i, name in enumerate(names)},
                published_interval_h=None if lengths is None else tuple(lengths),
                published={name: DailyPublication(**rule) for name, rule in rules.items()},
                forecasts=_read_forecasts(file, stored, forecasts),
                **metadata,
            )
    except FileNotFoundError:
        return None
    except Exception as error:
        # The source still exists, so any damage is harmless.
        logger.warning("%s is damaged (%s); the market is read or simulated again", file, error)
        return None
