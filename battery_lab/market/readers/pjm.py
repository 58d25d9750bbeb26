"""PJM (eastern United States): Data Miner 2 files of locational prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.file_formats.report_text import check_last_row
from battery_lab.market.file_formats.row_selection import MixedSelectionError, chosen_rows
from battery_lab.market.file_formats.rows_with_source import file_error, row_error
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import MarketRun, NodalMarket, NodeId

EASTERN = "America/New_York"
FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
EXAMPLE = "1/31/2024 5:00:00 AM"
COLUMNS = {"text": ("datetime_beginning_utc",), "node": ("pnode_name", "name")}
OPTIONAL = {
    "node_id": ("pnode_id",),
    "eastern": ("datetime_beginning_ept",),
    "current": ("row_is_current",),
    "number": ("version_nbr",),
}
PRICES = {"day_ahead": ("total_lmp_da",), "real_time": ("total_lmp_rt", "itsced_lmp")}
KIND = "PJM Data Miner files da_hrl_lmps, rt_hrl_lmps, rt_fivemin_hrl_lmps or rt_unverified_fivemin_lmps (CSV)"


@options("market")
class PjmMarket(NodalMarket):
    """Day-ahead hours, real-time hours and five minutes, stamped by the START of the interval.

    The column in UTC is used, and must agree with that on the eastern clock. PJM keeps superseded rows: those with
    row_is_current False are left out, and the highest version_nbr of the others is used.

    Attributes:
        node: name of the pricing node, for example ``WESTERN HUB``; None uses the only one in the files.
        node_id: its number, for names that several nodes have; None uses the only one.
        market_run: ``day_ahead`` or ``real_time``; None uses the only one.
    """

    node: Name | None
    node_id: NodeId | None
    market_run: MarketRun | None

    selectors: ClassVar[tuple[str, ...]] = ("node", "node_id", "market_run")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (
        COLUMNS | {"price": [name for names in PRICES.values() for name in names]},
    )
    usual_selection: ClassVar[tuple[str, ...]] = ("WESTERN HUB", "real_time")
    interval_hint: ClassVar[str] = "Day-ahead prices are hourly; real-time prices are hourly or have 5 minutes"
    sort_rows: ClassVar[bool] = True

    def stamp_zone(self) -> str:
        return "UTC"

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file that are current."""
        table = read_file(file, names=COLUMNS | OPTIONAL | PRICES)
        check_last_row(file, table)
        optional = {name: columns for name, columns in OPTIONAL.items() if has_column(table, columns)}
        runs = [run for run, columns in PRICES.items() if has_column(table, columns)]
        run = self.market_run if self.market_run in runs else runs[0] if runs else "real_time"
        frame = named_columns(file, table, COLUMNS | optional | {"price": PRICES[run]}, KIND).assign(market_run=run)
        if len(runs) > 1 and self.market_run is None:
            problem = "the file has day-ahead and real-time prices"
            error = file_error(file, problem, "Choose one with market.market_run=day_ahead or real_time")
            raise MixedSelectionError(str(error), "market_run", runs)
        frame = chosen_rows(file, frame.assign(node_id=frame.get("node_id", "")))
        notes = list[str]()
        if "current" in frame:
            superseded = frame.pop("current").str.casefold().isin(["false", "0"])
            if superseded.any():
                notes = [f"{file.name}: {superseded.sum():,} rows with row_is_current False were left out"]
            frame = frame[~superseded].copy()
        row = frame["row"]
        frame["version"] = to_numbers(file, row, frame.pop("number"), "version_nbr") if "number" in frame else 0.0
        frame["version"] = frame["version"].fillna(0.0)
        frame["stamp"] = parse_stamps(file, row, frame.pop("text"), FORMATS, EXAMPLE)
        frame["price"] = to_numbers(file, row, frame["price"], PRICES[run][0])
        if "eastern" in frame:
            _check_clocks(file, frame, frame.pop("eastern"))
        frame.attrs["notes"] = notes
        return frame


def _check_clocks(file: Path, frame: pd.DataFrame, text: pd.Series) -> None:
    """Raise DataError where the stamps on the eastern clock are other times than those in UTC."""
    eastern = parse_stamps(file, frame["row"], text, FORMATS, EXAMPLE)
    expected = frame["stamp"].dt.tz_localize("UTC").dt.tz_convert(EASTERN).dt.tz_localize(None)
    wrong = (eastern != expected).to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{frame['stamp'].iloc[i]} in UTC is {expected.iloc[i]} on the eastern clock, not {eastern.iloc[i]}"
        raise row_error(file, int(frame["row"].iloc[i]), problem, "Correct the row, or download the file again")
