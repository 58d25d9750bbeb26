"""AEMO vintages: the runs of predispatch and of five-minute predispatch (P5MIN), in AEMO's own tables.

The tables are those of MMSDM (by month), of NEMWEB's reports (by run) and of the caches of NEMOSIS and NEMSEER. Stamps
are on the market's clock, UTC+10 all year, and mark the end of an interval. A run is published when it was written
(LASTCHANGED), and not at the time in its name.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.common.validated_options import Rule, options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.archives import open_file
from battery_lab.market.file_formats.file_search import find_files, tables_in
from battery_lab.market.file_formats.price_files import CSV_SUFFIXES, HEADER, PARQUET_SUFFIXES, read_file
from battery_lab.market.file_formats.record_rows import AGAIN, END
from battery_lab.market.file_formats.report_text import split_line
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.file_formats.table_columns import as_text, join_names
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.forecasts.vintage_runs import Times
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.vintage_files import Column, LeadRange, number_labels, parquet_parts

UTC_OFFSET = np.timedelta64(10, "h")
FEATHER = ".feather"
FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M")
EXAMPLE = "2022/01/01 00:05:00"
REGION, INTERVENTION, PUBLISHED = "REGIONID", "INTERVENTION", "LASTCHANGED"


class Product(NamedTuple):
    """A forecast of AEMO's: the set of its tables, its columns, and the length of its intervals in minutes."""

    tables: str
    run: Sequence[str]
    end: str
    minutes: int


PRODUCTS = {
    "aemo_predispatch": Product(
        "PREDISPATCH", ("PREDISPATCHSEQNO", "PREDISPATCH_RUN_DATETIME"), end="DATETIME", minutes=30
    ),
    "aemo_p5min": Product("P5MIN", ("RUN_DATETIME",), end="INTERVAL_DATETIME", minutes=5),
}


@options("market.forecasts")
class AemoVintageFiles:
    """The files of one of AEMO's forecasts of a region.

    A report may hold other tables, too. Rows with INTERVENTION 1 are left out, as they set no price.

    Attributes:
        path: a file, a folder or a glob: CSV reports of C, I and D rows, also zipped, or Parquet, Feather and CSV files
            of one table.
        format: ``aemo_predispatch``, with half-hours, or ``aemo_p5min``, with intervals of five minutes.
        region: the region, for example ``VIC1``; None: that of the market.
        value: the column of the forecast; the table that has it is read.
        quantity: what it forecasts: ``price``, or the lab's name of a column.
        lead_range_h: fewest and most hours from the publication of a run to its first interval, in the median; None:
            what is plausible.
    """

    path: Annotated[str, Field(min_length=1), Rule("a file, a folder or a glob")]
    format: Literal["aemo_predispatch", "aemo_p5min"]
    region: Name | None
    value: Column
    quantity: Annotated[str, Field(min_length=1), Rule("price or the lab's name of a column")]
    lead_range_h: LeadRange | None

    # The user writes entries in whole, so no YAML of conf has these.
    usual: ClassVar[Mapping[str, Any]] = {"region": None, "value": "RRP", "quantity": "price", "lead_range_h": None}
    suffixes: ClassVar[tuple[str, ...]] = (*CSV_SUFFIXES, ".zip", FEATHER, *PARQUET_SUFFIXES)

    def files(self, name: str) -> Sequence[Path]:
        """Return the files of the forecast of a name."""
        return find_files(self.path, self.suffixes, f"market.forecasts.{name}.path")

    def read(self, name: str, region: str) -> ForecastVintages:
        """Return the forecasts of a region.

        Raises:
            ConfigError: no region is chosen.
            DataError: a file cannot be used, or has nothing of the region.
        """
        field, product = f"market.forecasts.{name}", PRODUCTS[self.format]
        chosen = self.region or region
        if not chosen:
            raise ConfigError(f"{field}.region must be a region such as VIC1: the market has none of its own")
        labels, seen, parts = dict[str, int](), dict[str, None](), []
        for file in tables_in(self.files(name), self.suffixes, f"{field}.path"):
            for rows in self._parts(file, product, field):
                seen |= dict.fromkeys(rows[REGION].unique())
                parts.append(self._arrays(file, rows[_is_chosen(rows, chosen)], product, labels))
        published, end, value, run = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        before: Times = np.asarray(end - np.timedelta64(product.minutes, "m"), "datetime64[s]")
        published, start = (np.asarray(times - UTC_OFFSET, "datetime64[ms]") for times in (published, before))
        if not len(value):
            raise DataError(f"{field}: no row of {self.path} is of region {chosen}, only of {join_names(list(seen))}")
        return ForecastVintages.of(
            name=name,
            quantity=self.quantity,
            published=published,
            start=start,
            value=value,
            step_h=product.minutes / 60,
            run=run,
        )

    def _arrays(
        self, file: Path, rows: pd.DataFrame, product: Product, labels: dict[str, int]
    ) -> tuple[Times, Times, NDArray[np.float32], NDArray[np.int64]]:
        row = pd.Series(rows.index, index=rows.index)
        published, end = (_stamps(file, row, rows[name]) for name in (PUBLISHED, product.end))
        value = to_numbers(file, row, rows[self.value], self.value).astype(np.float32)
        run = next((rows[name] for name in product.run if name in rows), rows[PUBLISHED])
        return published, end, value, number_labels(as_text(run), labels)

    def _parts(self, file: Path, product: Product, field: str) -> Iterator[pd.DataFrame]:
        """Yield the rows of a file's table with the columns that are used, by their names in upper case."""
        needed = [REGION, PUBLISHED, product.end, self.value.upper()]
        used = [*needed, INTERVENTION, *product.run]
        try:
            for part in _tables(file, product, needed, used):
                part.columns = part.columns.str.upper()
                missing = next((name for name in needed if name not in part), None)
                if missing is not None:
                    raise _NoTableError(f"there is no column {missing}, only {join_names(part.attrs[HEADER])}")
                yield part.rename(columns={self.value.upper(): self.value})
        except _NoTableError as error:
            raise DataError(f"{file}: {error}. {field}.path must name {_kind(product)}") from error
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            raise DataError(f"{file} cannot be read: {error}. {AGAIN}") from error


class _NoTableError(Exception):
    """A report has no table of the forecast."""


def _kind(product: Product) -> str:
    return f"AEMO's files of {product.tables}, with {PUBLISHED}, {product.end} and the prices of regions"


def _is_chosen(rows: pd.DataFrame, region: str) -> NDArray[np.bool_]:
    chosen = as_text(rows[REGION].astype(str)).str.casefold() == region.casefold()
    if INTERVENTION in rows:
        chosen &= as_text(rows[INTERVENTION]).isin(["0", "0.0", ""])
    return np.asarray(chosen, np.bool_)


def _stamps(file: Path, row: pd.Series, cells: pd.Series) -> Times:
    if pd.api.types.is_datetime64_any_dtype(cells):
        return np.asarray(cells, "datetime64[ms]")
    return np.asarray(parse_stamps(file, row, as_text(cells), FORMATS, EXAMPLE), "datetime64[s]")


def _tables(file: Path, product: Product, needed: Sequence[str], used: Sequence[str]) -> Iterator[pd.DataFrame]:
    name = file.name.lower()
    if name.endswith(PARQUET_SUFFIXES) and file.is_file():
        yield from parquet_parts(file, needed, used)
    elif name.endswith((*PARQUET_SUFFIXES, FEATHER)):
        yield _binary(file, used)
    elif _is_report(file):
        yield _report(file, product, needed, used)
    else:
        yield read_file(file, used)


def _binary(file: Path, used: Sequence[str]) -> pd.DataFrame:
    """Return a Feather file, or a Parquet file in an archive, in the form of ``read_file``."""
    with open_file(file) as stream:
        content = pa.BufferReader(stream.read())
    is_feather = file.name.lower().endswith(FEATHER)
    table = feather.read_table(content) if is_feather else parquet.read_table(content)
    frame = table.select([name for name in table.column_names if name.upper() in used]).to_pandas(ignore_metadata=True)
    frame.attrs[HEADER] = table.column_names
    return frame.set_index(frame.index + 1)


def _is_report(file: Path) -> bool:
    with open_file(file) as stream:
        return stream.readline().lstrip(b"\xef\xbb\xbf")[:2].upper() in (b"C,", b"I,")


def _report(file: Path, product: Product, needed: Sequence[str], used: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a report's table, line by line: a month of P5MIN has 500 MB of text."""
    rows, numbers, header, places = list[list[str]](), list[int](), list[str](), list[int]()
    start, ended, titles = "", False, list[str]()
    with open_file(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", errors="replace") as text:
        for number, line in enumerate(text, 1):
            kind = line[:2].upper()
            if kind == "D,":
                if places and line.upper().startswith(start):
                    rows.append(_cells(file, number, line, places))
                    numbers.append(number)
            elif kind == "I,":
                names = [name.strip().upper() for name in split_line(line.strip())]
                titles.append(".".join(names[1:3]))
                is_used = names[1] == product.tables and set(needed) <= set(names[4:])
                if is_used:
                    header = [name for name in used if name in names]
                start = f"D,{','.join(names[1:3])},"
                places = [names.index(name, 4) for name in header] if is_used else []
            elif kind == "C,":
                ended = END in line.upper()
            elif line.strip():
                raise row_error(file, number, f"the row begins with {line[:12]!r}, not with C, I or D", AGAIN)
    if not ended:
        problem = f'the file does not end with the row C,"{END}", so a part of it is missing'
        raise row_error(file, number, problem, AGAIN)
    if not header:
        raise _NoTableError(f"there is no table of {product.tables} with {needed[-1]}, only {join_names(titles)}")
    frame = pd.DataFrame(rows, columns=header, index=numbers, dtype=str)
    frame.attrs[HEADER] = header
    return frame


def _cells(file: Path, number: int, line: str, places: Sequence[int]) -> list[str]:
    cells = line.split(",", max(places) + 1)
    if '"' in line and any(cell.count('"') % 2 for cell in cells[:-1]):
        cells = split_line(line)  # a quoted cell has a comma
    if len(cells) <= max(places):
        raise row_error(file, number, f"the row has only {len(cells)} cells", AGAIN)
    return [cells[place].strip(' "\r\n') for place in places]
