"""CSV files: text files with a header and one row per line, in any usual dialect, read in parts."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TextIO

import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import open_file, read_whole
from battery_lab.market.file_formats.csv_dialect import COMMENT, SAMPLE_BYTES, WINDOWS, Dialect, find_dialect
from battery_lab.market.file_formats.data_rows import DataRows, leave_out_preamble
from battery_lab.market.file_formats.table_columns import HEADER, HEADER_ROW

# Rows that are parsed at once: a part of a file with many columns takes some 100 MB.
ROWS_PER_PART = 200_000
Keep = Callable[[pd.DataFrame], pd.DataFrame]
# Returns which columns of a header are used; None for all.
FindUsed = Callable[[Sequence[str]], set[str] | None]
# By its first columns, a row is known as a comment or a trailer.
FIRST_COLUMNS = 3


def read_csv(file: Path, find_used: FindUsed | None = None, keep: Keep | None = None) -> tuple[pd.DataFrame, Dialect]:
    """Read a CSV file, which may be in an archive.

    Args:
        file: the file.
        find_used: the columns to read of a header, beside its first three and its last one; None: all.
        keep: selects rows of each part of the file before the next one is read.

    Returns:
        The cells as text, with the row that an editor shows as index and the names of all columns as
        ``attrs["header"]``, and how the file is written.

    Raises:
        DataError: the file is not text, or has two tables.
        OSError, ParserError, ParserWarning, EmptyDataError, UnicodeDecodeError: as of pandas.
    """
    dialect = _dialect(file)
    try:
        return _read(file, dialect, find_used, keep), dialect
    except UnicodeDecodeError:
        if not dialect.encoding.startswith("utf-8"):
            raise
        dialect = _dialect(file, WINDOWS)
        return _read(file, dialect, find_used, keep), dialect


def _dialect(file: Path, encoding: str | None = None) -> Dialect:
    with open_file(file) as stream:
        sample = stream.read(SAMPLE_BYTES)
        return find_dialect(file, sample, whole=not stream.read(1), encoding=encoding)


def _read(file: Path, dialect: Dialect, find_used: FindUsed | None, keep: Keep | None) -> pd.DataFrame:
    try:
        with open_file(file) as stream, io.TextIOWrapper(stream, dialect.encoding, newline="") as text:
            return parse_text(file, text, dialect, find_used, keep)
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        # A comment may have more commas than a row. A file that is too large to look for one is refused as it is.
        rest = None
        with suppress(DataError):
            rest = _without_comments(file, dialect)
        if rest is None:
            raise
        return parse_text(file, rest, dialect, find_used, keep)


def parse_text(
    file: Path, text: TextIO, dialect: Dialect, find_used: FindUsed | None = None, keep: Keep | None = None
) -> pd.DataFrame:
    """Return the rows of a text whose dialect is known; arguments and errors as of :func:`read_csv`."""
    before = len(dialect.preamble)
    attrs = {HEADER: dialect.names, HEADER_ROW: before + 1}
    for _ in range(before):
        text.readline()
    leave_out_preamble(file, dialect)
    parts, data_rows = [], DataRows(file, dialect)
    for part, is_end in _with_end(_parts(text, dialect, find_used)):
        part.index += before + 2
        rows = data_rows.only_data(part, is_end)
        rows.attrs |= attrs
        parts.append(rows if keep is None else keep(rows))
    table = pd.concat(parts) if len(parts) > 1 else parts[0]
    table.attrs |= attrs
    return table


def _parts(text: TextIO, dialect: Dialect, find_used: FindUsed | None) -> Iterator[pd.DataFrame]:
    used = None if find_used is None else find_used(dialect.names)
    wanted = None if used is None else {*dialect.names[:FIRST_COLUMNS], dialect.names[-1], *used}
    with warnings.catch_warnings():
        # pandas cuts off rows that are longer than the header (as a decimal comma makes them) with a warning only.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        yield from pd.read_csv(
            text,
            sep=dialect.separator,
            usecols=None if wanted is None else lambda name: name in wanted,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            index_col=False,
            chunksize=ROWS_PER_PART,
        )


def _with_end(parts: Iterator[pd.DataFrame]) -> Iterator[tuple[pd.DataFrame, bool]]:
    """Yield each part, and whether it is the last one."""
    part = next(parts)
    for following in parts:
        yield part, False
        part = following
    yield part, True


def _without_comments(file: Path, dialect: Dialect) -> TextIO | None:
    """Return the text of a file with its comments cut to their first mark; None if it has none."""
    lines = list(io.StringIO(read_whole(file).decode(dialect.encoding), newline=""))
    short = list(map(partial(_short, has_row_kinds=dialect.has_row_kinds), lines))
    short[: len(dialect.preamble)] = lines[: len(dialect.preamble)]
    return None if short == lines else io.StringIO("".join(short))


def _short(line: str, has_row_kinds: bool) -> str:
    """Return a line that is no row, by its first mark, with that mark only; another line as it is."""
    if COMMENT.match(line):
        return "#\n"
    kind = line.lstrip('"')[:1]
    return f"{kind}\n" if has_row_kinds and kind in ("C", "T") else line
