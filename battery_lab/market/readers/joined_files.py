"""Joined files: the selected rows of all files of a market in one frame.

Thousands of small files, as some operators publish them, are read many at a time: each would take longer to open and
parse than all of its rows.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import open_file
from battery_lab.market.file_formats.csv_dialect import Dialect, find_dialect
from battery_lab.market.file_formats.csv_files import parse_text
from battery_lab.market.file_formats.reading_context import Reading
from battery_lab.market.file_formats.row_selection import join_names, mixed_selection_error, no_such_value, select_rows
from battery_lab.market.file_formats.rows_with_source import VERSION
from battery_lab.market.intervals.row_order import oldest_first

# Files are read together if there are at least so many of them, each at most so large.
FEWEST_SMALL, MOST_BYTES = 50, 1 << 18
GROUP_BYTES = 32 << 20
TOGETHER_SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv")
Read = Callable[[Path], pd.DataFrame]
Group = Sequence[tuple[int, Sequence[str]]]  # the number of a file, and its lines


class FileJoin:
    """Reads the files of a market into one frame.

    Args:
        path: ``market.path``, for errors.
        files: the tables to read.
        read: returns the rows of a file.
        row_kind: which rows are used, for errors.
        reading: the options and notes of this reading.
    """

    def __init__(
        self,
        path: str,
        files: Sequence[Path],
        read: Read,
        row_kind: str,
        reading: Reading,
    ) -> None:
        self._path, self._files, self._read, self._choices = path, files, read, reading.choices
        self._row_kind, self._reading = row_kind, reading
        self._seen = dict.fromkeys(reading.choices, np.empty(0, object))
        self._notes: list[str] = []

    def frame(self, small_together: bool) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows, with the files in order of their first stamp, and notes on what was left out.

        Args:
            small_together: whether the rows of a file are read independently of each other, so that small files may be
                read together.

        Raises:
            DataError: a file cannot be read, no row is selected, or the rows are of several regions, zones or nodes.
        """
        alone, frames = list(range(len(self._files))), list[pd.DataFrame]()
        if small_together and len(self._files) >= FEWEST_SMALL:
            alone = []
            frames = [frame for group in self._groups(alone) for frame in self._read_group(group)]
        frames += [self._selected(number) for number in alone]
        frames = [frame for frame in frames if len(frame)]
        if not frames:
            raise self._no_rows_error()
        self._check_same_kind(frames)
        frame = pd.concat(frames, ignore_index=True)
        first = frame.groupby("file")["stamp"].transform("first").to_numpy()
        return frame.iloc[np.argsort(first, kind="stable")].reset_index(drop=True), self._notes

    def _selected(self, number: int) -> pd.DataFrame:
        """Return the selected rows of a file, oldest first."""
        file = self._files[number]
        frame = self._select(file, self._read(file)).assign(file=number)
        frame, was_newest_first = oldest_first(frame)
        if was_newest_first:
            self._reading.note(file, "the newest rows come first, and were reversed")
        return frame

    def _select(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        self._notes += frame.attrs.pop("notes", [])
        if file in self._reading.versions:
            frame = frame.assign(**{VERSION: self._reading.versions.pop(file).reindex(frame["row"]).to_numpy()})
        for field, choice in self._choices.items():
            self._seen[field] = np.union1d(self._seen[field], np.asarray(pd.unique(frame[field]), object))
            frame = select_rows(file, frame, field, choice)
        return frame

    def _groups(self, alone: list[int]) -> Iterator[Group]:
        """Yield groups of small files with the same header, a few in memory at once; add others to ``alone``."""
        sizes, waiting = Counter[str](), dict[str, list[tuple[int, Sequence[str]]]]()
        for number, file in enumerate(self._files):
            lines = _small_text(file)
            if lines is None:
                alone.append(number)
                continue
            waiting.setdefault(lines[0], []).append((number, lines))
            sizes[lines[0]] += sum(map(len, lines))
            if sizes.total() > GROUP_BYTES:
                header, _ = sizes.most_common(1)[0]
                del sizes[header]
                yield waiting.pop(header)
        yield from waiting.values()

    def _read_group(self, group: Group) -> Iterator[pd.DataFrame]:
        """Yield the selected rows of a group of files."""
        if len(group) == 1:
            yield self._selected(group[0][0])
            return
        try:
            frame = self._read_together(group)
        except DataError:
            # Only a file alone names the right row.
            yield from self._read_group(group[: len(group) // 2])
            yield from self._read_group(group[len(group) // 2 :])
            return
        yield frame

    def _read_together(self, group: Group) -> pd.DataFrame:
        file = self._files[group[0][0]]
        numbers = np.concatenate([[0], *([number] * (len(lines) - 1) for number, lines in group)])
        rows = np.concatenate([[0], *(np.arange(2, len(lines) + 1) for _, lines in group)])
        text = "\n".join([group[0][1][0], *(line for _, lines in group for line in lines[1:])])
        table, dialect = _parsed(file, text)
        self._reading.tables[file], self._reading.separators[file] = table, dialect.separator
        try:
            frame = self._select(file, self._read(file))
        finally:
            del self._reading.tables[file]
        # The index of the table counts the lines of all files, from 1 for the header.
        place = frame["row"].to_numpy() - 1
        frame = frame.assign(file=numbers[place], row=rows[place])
        return frame if len(frame) == frame["file"].nunique() else _each_oldest_first(frame)

    def _no_rows_error(self) -> DataError:
        for field, choice in self._choices.items():
            names = sorted({*self._seen[field], *self._reading.names.get(field, {})})
            if choice is not None and names and choice.casefold() not in [name.casefold() for name in names]:
                problem = f"no row of {self._path} has it, only {join_names(names)}"
                return DataError(f"market.{field}={choice}: {problem}. Choose one of them")
        if (error := no_such_value(self._path, self._reading)) is not None:
            return error
        reason = "".join(f" ({note})" for note in [*self._notes, *self._reading.notes()][:1])
        return DataError(
            f"market.path={self._path}: no rows of prices{self._row_kind}{reason}. Use files that have them"
        )

    def _check_same_kind(self, frames: Sequence[pd.DataFrame]) -> None:
        first = frames[0]
        for other in frames[1:]:
            file = self._files[other["file"].iloc[0]]
            for field in self._choices:
                names = [frame[field].iloc[0] for frame in (first, other)]
                if names[0].casefold() != names[1].casefold():
                    raise mixed_selection_error(file, int(other["row"].iloc[0]), field, names)
            if (first["stamp"].dt.tz is None) != (other["stamp"].dt.tz is None):
                start = self._files[first["file"].iloc[0]]
                raise DataError(f"{start} and {file}: only one has a UTC offset in its stamps. Use files of one format")


def _small_text(file: Path) -> list[str] | None:
    """Return the lines of a small, usual CSV file, each with content; None for any other file."""
    if not file.name.lower().endswith(TOGETHER_SUFFIXES):
        return None
    try:
        with open_file(file) as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES or 0 in content:
            return None
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, EOFError, UnicodeDecodeError):
        return None
    is_usual = len(lines) > 1 and all(line.strip() and line.count('"') % 2 == 0 for line in lines)
    return lines if is_usual else None


def _parsed(file: Path, text: str) -> tuple[pd.DataFrame, Dialect]:
    dialect = find_dialect(file, text[:MOST_BYTES].encode(), whole=len(text) <= MOST_BYTES, encoding="utf-8")
    if dialect.preamble:
        raise DataError(f"{file} has lines before its header")
    try:
        return parse_text(file, io.StringIO(text), dialect), dialect
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise DataError(f"{file}: {error}") from error


def _each_oldest_first(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([oldest_first(rows)[0] for _, rows in frame.groupby("file", sort=False)])
