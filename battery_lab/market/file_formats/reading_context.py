"""Reading context: the options that hold for all files of a market while they are read, and what was noted on them.

A reader of an operator's files calls :func:`read_file` and :func:`to_numbers` for one file at a time. What the user
chose for all files reaches them through the context, and what they find that is not usual goes back through it into the
notes of the series. So each reader has all of it, without passing it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

Decimal = Literal["comma", "point"]
# An error lists at most twelve names; more are kept to count them.
MOST_VALUES = 10_000


@dataclass(kw_only=True)
class Reading:
    """Options and notes while the files of one market are read.

    Attributes:
        decimal: the decimal sign of all numbers; None: each column decides.
        where: column -> the values that a row may have there, as lower-case text.
        newest_by: the column that says which of several rows for one interval is the newest one.
        choices: option that selects a region, zone or node -> the chosen name; None: the only one in the files.
        separators: file -> the separator of its cells.
        versions: file -> its column ``newest_by``, by row.
        tables: file -> its table, for files that were read together.
        seen: column of ``where`` -> the values in the files.
        names: option of ``choices`` -> the names in the files, where they hold others than the chosen one.
    """

    decimal: Decimal | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    newest_by: str | None = None
    choices: Mapping[str, str | None] = field(default_factory=dict)
    separators: dict[Path, str] = field(default_factory=dict)
    versions: dict[Path, pd.Series] = field(default_factory=dict)
    tables: dict[Path, pd.DataFrame] = field(default_factory=dict)
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    names: dict[str, dict[str, None]] = field(default_factory=dict)
    _notes: dict[str, dict[str, None]] = field(default_factory=dict)
    _left_out: dict[str, int] = field(default_factory=dict)
    _left_out_of: dict[str, None] = field(default_factory=dict)

    def note(self, file: Path, sentence: str) -> None:
        """Note what was found in a file; files with the same sentence share a note."""
        self._notes.setdefault(sentence, {})[file.name] = None

    def leave_out(self, file: Path, kind: str, count: int) -> None:
        """Note a number of lines or rows of a file that were left out, as they are no data or stand there twice."""
        if count:
            self._left_out[kind] = self._left_out.get(kind, 0) + count
            self._left_out_of[file.name] = None

    def see(self, column: str, values: Sequence[str]) -> None:
        """Keep the values that a column of ``where`` has, for an error that lists them."""
        _add(self.seen.setdefault(column, {}), values)

    def see_names(self, option: str, names: Sequence[str]) -> None:
        """Keep the names among which an option of ``choices`` selects, for an error that lists them."""
        _add(self.names.setdefault(option, {}), names)

    def notes(self) -> list[str]:
        """Return one sentence for each thing noted."""
        sentences = [f"{_files(files)}: {sentence}" for sentence, files in self._notes.items()]
        if self._left_out:
            kinds = ", ".join(f"{kind} ({count:,})" for kind, count in self._left_out.items())
            sentences.append(f"{_files(self._left_out_of)}: left out: {kinds}")
        return sentences


_CURRENT: ContextVar[Reading | None] = ContextVar("_CURRENT", default=None)


@contextmanager
def reading_context(reading: Reading) -> Iterator[Reading]:
    """Within this context, files are read with these options, and noted here."""
    token = _CURRENT.set(reading)
    try:
        yield reading
    finally:
        _CURRENT.reset(token)


def current_reading() -> Reading:
    """Return the present context; outside of one, the usual options, and notes that nobody reads."""
    return _CURRENT.get() or Reading()


def _add(seen: dict[str, None], values: Sequence[str]) -> None:
    if len(seen) < MOST_VALUES:
        seen.update(dict.fromkeys(values))


def _files(names: Mapping[str, None]) -> str:
    first = next(iter(names))
    more = len(names) - 1
    return f"{first} and {more:,} more file{'s' if more > 1 else ''}" if more else first
