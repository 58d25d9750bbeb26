"""NEMWEB and MMSDM (Australia's National Electricity Market): AEMO's reports of C, I and D rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather

from battery_lab.common.errors import DataError
from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.archives import open_file
from battery_lab.market.file_formats.price_files import HEADER, PARQUET_SUFFIXES, named_columns, plain, read_file
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.record_rows import Table, read_tables
from battery_lab.market.file_formats.report_text import split_line, text_lines
from battery_lab.market.file_formats.row_selection import join_names
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.readers.aemo_vintages import EXAMPLE, FEATHER, FORMATS
from battery_lab.market.readers.nem_market import NemMarket

BINARY = (*PARQUET_SUFFIXES, FEATHER)
# Table and sub-table -> the prices in it. The tables of the daily files have no sub-table.
PRICE_TABLES = {
    ("DISPATCH", "PRICE"): "dispatch",
    ("DREGION", ""): "dispatch",
    ("TRADING", "PRICE"): "trading",
    ("TREGION", ""): "trading",
}
# Tables and columns that only forecasts have.
FORECAST_TABLES = ("P5MIN", "P30MIN", "PREDISPATCH", "PDREGION", "PD7DAY", "STPASA", "PDPASA")
FORECAST_COLUMNS = ("PREDISPATCHSEQNO", "PREDISPATCHRUNDATETIME", "RUNDATETIME")
COLUMNS = ("SETTLEMENTDATE", "REGIONID", "RRP")
OPTIONAL = ("INTERVENTION", "LASTCHANGED")  # columns that not every table has
# Values of INTERVENTION, as CSV and as caches have them.
WITHOUT, WITH = ("0", "0.0", ""), ("1", "1.0")
KIND = "AEMO's files of DISPATCHPRICE, TRADINGPRICE, DISPATCHIS, TRADINGIS or DAILY"


class Cells(NamedTuple):
    """The cells of a row of prices, and the row in the file."""

    text: str
    region: str
    price: str
    intervention: str
    changed: str
    product: str
    row: int


@options("market")
class NemwebMarket(NemMarket):
    """Price tables in AEMO's reports, stamped by the END of the interval in UTC+10 all year.

    A report may hold many tables. Those of settled prices are DISPATCH.PRICE and DREGION (5 minutes), and TRADING.PRICE
    and TREGION (30 minutes until October 2021). Forecasts, such as PREDISPATCH and P5MIN, are never taken for
    prices. Rows with INTERVENTION 1 are left out: prices are those of the run without intervention. Of several rows for
    one interval, the one that was changed last (LASTCHANGED) is used.

    Parquet, Feather and CSV files that hold one such table, as NEMOSIS writes them, are read as well.

    Attributes:
        time_zone: clock of the calendar; None uses the region's local clock.
        region: the region, for example ``VIC1``; None uses the only one in the files.
        product: ``dispatch`` or ``trading`` prices; None uses the only ones in the files.
    """

    product: Literal["dispatch", "trading"] | None

    selectors: ClassVar[tuple[str, ...]] = ("region", "product")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (
        {"stamp": ("SETTLEMENTDATE",), "region": ("REGIONID",), "price": ("RRP",)},
    )
    usual_selection: ClassVar[tuple[str, ...]] = ("dispatch",)
    suffixes: ClassVar[tuple[str, ...]] = (*NemMarket.suffixes, *BINARY)
    interval_hint: ClassVar[str] = "Trading prices have 30 minutes until 2021-10-01; dispatch prices have 5 throughout"
    sort_rows: ClassVar[bool] = True

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of the price tables of a file."""
        lines = [] if file.name.lower().endswith(BINARY) else text_lines(file)
        if _is_plain(lines):
            product = "trading" if "TRADING" in file.name.upper() else "dispatch"
            return self._prices(file, _plain_cells(file, product), [])
        tables, notes = read_tables(file, lines)
        prices = [table for table in tables if table.name in PRICE_TABLES and table.lines]
        if not prices:
            raise _no_prices_error(file, tables)
        reading = current_reading()
        if reading.where or reading.newest_by:
            problem = "market.where and market.newest_by do not choose rows of AEMO's reports"
            raise DataError(f"{file}: {problem}. Use market.region and market.product")
        forecasts = sorted({table.title for table in tables if _is_forecast(table)})
        if forecasts:
            notes.append(f"{file.name}: the tables {', '.join(forecasts)} are forecasts, and were left out")
        # DISPATCHIS and DAILY have both kinds of prices in one file.
        return self._prices(file, [cells for table in prices for cells in _table_cells(file, table)], notes)

    def _prices(self, file: Path, cells: Sequence[Cells], notes: list[str]) -> pd.DataFrame:
        """Return rows of text as prices; ``notes`` become those of the file.

        NEMWEB has a file for every five minutes, so rows that are not used are left out before pandas sees them.
        """
        kept = [row for row in cells if row.intervention in WITHOUT]
        if len(kept) < len(cells):
            _check_interventions(file, cells)
            what = f"{len(cells) - len(kept):,} rows with INTERVENTION=1 were left out, as they set no price"
            notes.append(f"{file.name}: {what}")
        for field in self.selectors:
            choice = getattr(self, field)
            chosen = [row for row in kept if choice is not None and getattr(row, field).casefold() == choice.casefold()]
            kept = chosen or kept
        frame = pd.DataFrame(kept, columns=Cells._fields)
        row = frame["row"]
        rows = {
            "row": row,
            "stamp": parse_stamps(file, row, frame["text"], FORMATS, EXAMPLE),
            "price": to_numbers(file, row, frame["price"], "RRP"),
            # The digits of a time rise with it.
            "version": [int("".join(filter(str.isdigit, text)) or 0) for text in frame["changed"]],
            **{name: frame[name] for name in self.selectors},
        }
        result = pd.DataFrame(rows)
        result.attrs["notes"] = notes
        return result


def _check_interventions(file: Path, cells: Sequence[Cells]) -> None:
    odd = next((row for row in cells if row.intervention not in (*WITHOUT, *WITH)), None)
    if odd is not None:
        problem = f"INTERVENTION is {odd.intervention!r}, not 0 or 1"
        raise row_error(file, odd.row, problem, "Correct the row, or download the file again")


def _table_cells(file: Path, table: Table) -> Iterator[Cells]:
    """Yield the cells of a table that are used."""
    names = [*COLUMNS, *(name for name in OPTIONAL if name in table.columns)]
    columns = table.cells(file, names)
    columns |= {name: [""] * len(table.lines) for name in OPTIONAL if name not in names}
    product = PRICE_TABLES[table.name]
    for i, values in enumerate(zip(*(columns[name] for name in (*COLUMNS, *OPTIONAL)), strict=True)):
        yield Cells._make((*values, product, table.first + i))


def _is_plain(lines: Sequence[str]) -> bool:
    """Return whether a file is one table with the names of its columns above it; binary files have no lines."""
    first = next((line for line in lines if line.strip()), None)
    return first is None or ("settlementdate" in map(plain, split_line(first)) and first[:2].upper() != "I,")


def _plain_cells(file: Path, product: str) -> list[Cells]:
    """Return the cells that are used of a file that is one table.

    Raises:
        DataError: the file cannot be read, or has the columns of a forecast.
    """
    table = _feather(file) if file.name.lower().endswith(FEATHER) else read_file(file)
    columns = {plain(str(name)) for name in table.columns}
    if not columns.isdisjoint(map(plain, FORECAST_COLUMNS)):
        raise DataError(f"{file} holds forecasts (it has runs), no settled prices. market.path must name {KIND}")
    text = table.astype(object)
    for name in table.columns:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            text[name] = table[name].dt.strftime(FORMATS[0])
    text = text.where(table.notna(), "").astype(str)
    text.attrs = table.attrs
    names = [*COLUMNS, *(name for name in OPTIONAL if plain(name) in columns)]
    frame = named_columns(file, text, {name: (name,) for name in names}, KIND)
    frame = frame.assign(**{name: "" for name in OPTIONAL if name not in names}, product=product)
    return [Cells(*row) for row in frame[[*COLUMNS, *OPTIONAL, "product", "row"]].itertuples(index=False)]


def _feather(file: Path) -> pd.DataFrame:
    """Return a Feather file in the form of ``read_file``."""
    try:
        with open_file(file) as stream:
            table = feather.read_table(pa.BufferReader(stream.read())).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read: {error}. Write the file again") from error
    table.attrs[HEADER] = [str(name) for name in table.columns]
    return table.set_index(table.index + 1)


def _is_forecast(table: Table) -> bool:
    return table.name[0].startswith(FORECAST_TABLES)


def _no_prices_error(file: Path, tables: Sequence[Table]) -> DataError:
    names = sorted({table.title for table in tables})
    forecasts = any(map(_is_forecast, tables))
    reason = "which are forecasts, no settled prices" if forecasts else "none of which holds settled prices"
    content = f"it has {join_names(names)}, {reason}" if names else "it has no I row, which begins a table"
    return DataError(f"{file}: there is no table of prices: {content}. market.path must name {KIND}")
