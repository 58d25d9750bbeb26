"""What the readers of operators' files have in common: find, read, check, put on a grid, keep."""

from __future__ import annotations

import re
import zoneinfo
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError, require, require_choice
from battery_lab.market.file_rows import Rows, listed, mixed, pick
from battery_lab.market.interval_grid import GAPS, Grid, put_on_grid
from battery_lab.market.price_files import CSV_SUFFIXES, find_files
from battery_lab.market.row_checks import INTERVALS_MIN, check_increasing, find_interval
from battery_lab.market.series import MarketSeries
from battery_lab.market.series_cache import cache_key, cached
from battery_lab.market.timestamps import to_utc


@dataclass(frozen=True, kw_only=True)
class FileMarket(ABC):
    """A market read from files; each operator's reader says how a file's rows are found.

    Attributes:
        path: a file, a folder or a glob.
        time_zone: IANA name of the clock that people there live by.
        currency: ISO 4217 code of the prices.
        interval_minutes: length of an interval; None finds it.
        gaps: ``refuse``, ``fill`` or ``split``, as in :func:`battery_lab.market.interval_grid.put_on_grid`.
        max_gap_h: the longest gap that ``fill`` fills, hours.
        cache: folder for parsed series; None keeps none.
    """

    path: str
    time_zone: str | None
    currency: str
    interval_minutes: int | None
    gaps: str
    max_gap_h: float
    cache: str | None

    # Options that pick rows: the rows of one region, zone or node.
    picks: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = CSV_SUFFIXES
    rows_taken: ClassVar[str] = ""
    interval_hint: ClassVar[str] = ""
    # For operators whose regions have clocks of their own, so that the user need not say one.
    own_calendar: ClassVar[bool] = False
    # For files whose rows may come in any order because their stamps mean one time only.
    sort_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.time_zone is not None or not self.own_calendar:
            require_zone("market.time_zone", self.time_zone)
        code = re.fullmatch("[A-Z]{3}", self.currency) is not None
        require(code, "market.currency", "must be an ISO 4217 code such as EUR", self.currency)
        if self.interval_minutes is not None:
            require_choice("market.interval_minutes", self.interval_minutes, INTERVALS_MIN)
        require_choice("market.gaps", self.gaps, GAPS)
        require(0 < self.max_gap_h < np.inf, "market.max_gap_h", "must be more than 0 hours", self.max_gap_h)
        for field in self.picks:
            wanted = getattr(self, field)
            named = wanted is None or (isinstance(wanted, str) and wanted != "")
            require(named, f"market.{field}", "must be a name in the files, or null", wanted)

    def load(self) -> MarketSeries:
        """Return the whole series; from the cache if the files and options are those of an earlier call.

        Raises:
            DataError: the files cannot be used; says which file and row, and what to do.
        """
        files = find_files(self.path, self.suffixes)
        options = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "cache"}
        key = cache_key(type(self).__qualname__, options, files)
        return cached(self.cache, key, lambda: self._parse(files))

    @abstractmethod
    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows.

        Returns:
            Columns ``row`` (in the file), ``stamp`` (datetime64; on the file's clock, or UTC with a time zone),
            ``price``, one for each of ``picks``, ``repeated`` if the file flags repeated hours, and any further values.
        """

    @abstractmethod
    def stamp_zone(self) -> str:
        """Return the IANA name of the clock of stamps without a time zone."""

    def stamps_end(self) -> bool:
        """Return whether a stamp is an interval's end."""
        return False

    def series_name(self, place: str) -> str:
        """Return the name of the series; ``place`` is the first of the picks."""
        return place

    def calendar_zone(self, place: str) -> str:
        """Return the clock that people live by."""
        return self.time_zone or self.stamp_zone()

    def _parse(self, files: Sequence[Path]) -> MarketSeries:
        frame = self._frame(files)
        place = str(frame[self.picks[0]].iloc[0]) if self.picks else ""
        rows = self._rows(files, frame)
        check_increasing(rows)
        interval_s = find_interval(rows, self.interval_minutes, self.interval_hint)
        grid = put_on_grid(rows, interval_s, self.gaps, self.max_gap_h)
        return self._series(place, rows, interval_s, grid)

    def _frame(self, files: Sequence[Path]) -> pd.DataFrame:
        """Return the rows of all files that are picked, the files in order of their first stamp."""
        frames, seen = [], dict.fromkeys(self.picks, np.empty(0, object))
        for number, file in enumerate(files):
            frame = self.read(file).assign(file=number)
            for field in self.picks:
                seen[field] = np.union1d(seen[field], np.asarray(pd.unique(frame[field]), object))
                frame = pick(file, frame, field, getattr(self, field))
            if len(frame):
                frames.append(frame)
        if not frames:
            raise self._nothing(seen)
        self._check_alike(files, frames)
        frames.sort(key=lambda one: one["stamp"].iloc[0])
        return pd.concat(frames, ignore_index=True)

    def _nothing(self, seen: dict[str, np.ndarray]) -> DataError:
        for field in self.picks:
            wanted, there = getattr(self, field), list(seen[field])
            if wanted is not None and there and wanted.casefold() not in [name.casefold() for name in there]:
                problem = f"no row of {self.path} has it, there are {listed(there)}"
                return DataError(f"market.{field}={wanted}: {problem}. Choose one of them")
        return DataError(f"market.path={self.path}: no rows{self.rows_taken}. Give files that have them")

    def _check_alike(self, files: Sequence[Path], frames: Sequence[pd.DataFrame]) -> None:
        first = frames[0]
        for other in frames[1:]:
            file = files[other["file"].iloc[0]]
            for field in self.picks:
                names = [frame[field].iloc[0] for frame in (first, other)]
                if names[0].casefold() != names[1].casefold():
                    raise mixed(file, int(other["row"].iloc[0]), field, names)
            if (first["stamp"].dt.tz is None) != (other["stamp"].dt.tz is None):
                begin = files[first["file"].iloc[0]]
                raise DataError(f"{begin} and {file}: only one has a UTC offset in its stamps. Give files of one form")

    def _rows(self, files: Sequence[Path], frame: pd.DataFrame) -> Rows:
        flags = frame.pop("repeated").to_numpy(np.bool_) if "repeated" in frame else None
        frame = frame.drop(columns=list(self.picks))
        stamp = frame["stamp"]
        known = stamp.dt.tz is not None
        if known:
            frame["stamp"] = stamp.dt.tz_convert("UTC").dt.tz_localize(None)
        rows = Rows(files=files, frame=frame, utc=frame["stamp"].to_numpy("datetime64[s]"))
        if not known:
            rows = Rows(files=files, frame=frame, utc=to_utc(rows, self.stamp_zone(), flags))
        order = np.argsort(rows.utc if self.sort_rows else _file_starts(rows), kind="stable")
        return Rows(files=files, frame=frame.iloc[order].reset_index(drop=True), utc=rows.utc[order])

    def _series(self, place: str, rows: Rows, interval_s: int, grid: Grid) -> MarketSeries:
        step = np.timedelta64(interval_s, "s")
        first = rows.utc[0] + step * (grid.offset - int(self.stamps_end()))
        values = dict(grid.values)
        return MarketSeries(
            name=self.series_name(place),
            currency=self.currency,
            time_zone=self.calendar_zone(place),
            interval_h=interval_s / 3600,
            start=first + step * np.arange(len(grid.gap)),
            price=values.pop("price"),
            gap=grid.gap,
            columns=values,
            lead_h=self.leads(),
        )

    def leads(self) -> dict[str, float]:
        """Return how many hours ahead each column that is published ahead is known."""
        return {}


def _file_starts(rows: Rows) -> np.ndarray:
    """Return for each row when its file begins on the UTC clock: in a repeated hour the local clock does not tell."""
    _, first, number = np.unique(rows.frame["file"].to_numpy(), return_index=True, return_inverse=True)
    starts: np.ndarray = rows.utc[first][number]
    return starts


def require_zone(field: str, zone: str | None) -> None:
    """Raise ConfigError unless a time zone is known."""
    rule = "must be an IANA time zone such as Europe/Berlin or Etc/GMT-10 (that is UTC+10)"
    try:
        zoneinfo.ZoneInfo(zone or "")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        require(False, field, rule, zone)
