"""Record rows: files in which each row begins with its kind.

AEMO writes reports of C rows (comments), I rows (the columns of a table) and D rows (data). ISO New England writes C
rows, two H rows (names and types), D rows and a T row (the trailer).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.data_rows import count_in_words
from battery_lab.market.file_formats.price_files import HEADER
from battery_lab.market.file_formats.report_text import PREAMBLE, read_lines, selected_rows, split_line, text_lines
from battery_lab.market.file_formats.rows_with_source import row_error

END = "END OF REPORT"
AGAIN = "Download the file again"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a report of C, I and D rows.

    Attributes:
        name: the second and the third cell of its rows, in upper case, for example ``("DISPATCH", "PRICE")``.
        columns: the names of its columns.
        first: the row of the file in which its data begin.
        lines: its D rows.
    """

    name: tuple[str, str]
    columns: Sequence[str]
    first: int
    lines: Sequence[str]

    def cells(self, file: Path, names: Sequence[str]) -> dict[str, list[str]]:
        """Return the cells of some columns, by the name of the column.

        Raises:
            DataError: a column is missing or occurs twice, a row is of another table, or it ends within these columns.
        """
        places = [self._place(file, name) for name in names]
        last, start = max(places), f"D,{','.join(self.name)},"
        rows = []
        for i, line in enumerate(self.lines):
            row = line.split(",", last + 1)
            if '"' in line and any(cell.count('"') % 2 for cell in row[:-1]):
                row = split_line(line)  # a quoted cell has a comma
            if not line[: len(start)].upper().startswith(start):
                problem = f"a row of another table stands below the columns of {self.title}"
                raise row_error(file, self.first + i, problem, AGAIN)
            if len(row) <= last:
                raise row_error(file, self.first + i, f"the row has only {len(row)} cells", AGAIN)
            rows.append(row)
        return {name: [row[place].strip(' "') for row in rows] for name, place in zip(names, places, strict=True)}

    @property
    def title(self) -> str:
        """The name as text, for example ``DISPATCH.PRICE``."""
        return ".".join(self.name).strip(".")

    def _place(self, file: Path, name: str) -> int:
        if (count := self.columns.count(name)) != 1:
            problem = f"{self.title} has {'two columns' if count else 'no column'} {name}"
            raise row_error(file, self.first - 1, problem, AGAIN)
        return 4 + self.columns.index(name)


def read_tables(file: Path, lines: Sequence[str]) -> tuple[list[Table], list[str]]:
    """Return the tables of a file of C, I and D rows, and sentences where it has more or fewer rows than it states.

    The last row of a report states the number of its rows. A file from which someone has removed rows, for example
    those of other regions, keeps the number of the whole file, so another number is a note. A missing last row is an
    error: the download was cut off.

    Args:
        file: the file, for messages.
        lines: its lines.

    Raises:
        DataError: the file has rows of another kind, data without columns, or no last row.
    """
    marks = [i for i, line in enumerate(lines) if line[:2] != "D,"]
    tables, notes, began = list[Table](), list[str](), None
    for mark, end in zip([-1, *marks], [*marks, len(lines)], strict=True):
        cells = split_line(lines[mark].strip()) if mark >= 0 else []
        kind = cells[0].strip().upper() if cells else ""
        if kind not in ("", "C", "I"):
            raise row_error(file, mark + 1, f"the row begins with {cells[0]!r}, not with C, I or D", AGAIN)
        if kind == "I":
            name = (cells[1].strip().upper(), cells[2].strip().upper()) if len(cells) > 4 else ("", "")
            columns = [column.strip().upper() for column in cells[4:]]
            tables.append(Table(name=name, columns=columns, first=mark + 2, lines=lines[mark + 1 : end]))
        elif end > mark + 1:
            raise row_error(file, mark + 2, "the data stand below no I row, which names their columns", AGAIN)
        elif kind == "C" and END in lines[mark].upper():
            notes += _count_note(file, cells, mark + 1 - (began or 0))
            began = None
        elif kind == "C" and began is None:
            began = mark
    if began is not None:
        problem = f'the file does not end with the row C,"{END}", so a part of it is missing'
        raise row_error(file, len(lines), problem, AGAIN)
    return tables, notes


def _count_note(file: Path, cells: Sequence[str], rows: int) -> list[str]:
    stated = cells[2].strip() if len(cells) > 2 else ""
    if not stated.isdigit() or int(stated) == rows:
        return []
    return [f"{file.name}: {count_in_words(int(stated), rows)}"]


def read_trailed(file: Path, kind: str) -> pd.DataFrame:
    """Read a file of C, H, D and T rows, whose trailer counts the D rows. Such files may stand one behind another.

    Args:
        file: the file.
        kind: the kind of file, for the error message.

    Returns:
        As :func:`battery_lab.market.file_formats.report_text.read_below`; the preamble has all C rows.

    Raises:
        DataError: the trailer is missing or counts other rows.
    """
    header, comments, lines, rows, counted = list[str](), list[str](), list[str](), list[int](), 0
    for number, line in enumerate(text_lines(file), 1):
        mark = line.strip().strip('"')[:1].upper()
        if mark == "D":
            lines.append(line)
            rows.append(number)
        elif mark == "C":
            comments.append(line)
        elif mark == "H" and (not header or len(rows) == counted):
            header = header or split_line(line)
        elif mark == "T":
            _check_trailer(file, number, line, len(rows) - counted)
            counted = len(rows)
        elif line.strip():
            problem = f"the row begins with {line[:12]!r}, not with C, H, D or T"
            raise row_error(file, number, problem, f"market.path must name {kind}")
    if not header:
        raise DataError(f"{file}: there is no H row with the names of the columns. market.path must name {kind}")
    if len(rows) > counted:
        problem = "the file has no T row, which counts its rows, so a part of it is missing"
        raise row_error(file, rows[-1], problem, AGAIN)
    table = read_lines(file, lines, rows, ",", header)
    table.attrs |= {HEADER: header, PREAMBLE: comments}
    return selected_rows(file, table)


def _check_trailer(file: Path, number: int, line: str, rows: int) -> None:
    stated = re.search(r"\d+", line)
    if stated is None or int(stated[0]) != rows:
        problem = f"the trailer is {line.strip()!r}, and the file has {rows:,} rows of data: it is not complete"
        raise row_error(file, number, problem, f"{AGAIN}, or correct the trailer if you removed rows yourself")
