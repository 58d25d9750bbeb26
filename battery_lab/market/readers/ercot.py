"""ERCOT (Texas): settlement point price files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.clock_changes import second_pass
from battery_lab.market.cells.hour_numbers import after_midnight, whole_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import has_column, named_columns, read_file
from battery_lab.market.file_formats.row_selection import chosen_rows, select_rows
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.readers.day_ahead_market import DAY_AHEAD, REAL_TIME
from battery_lab.market.readers.market_option_types import Name
from battery_lab.market.readers.nodal_market import NodalMarket

FORMATS = ("%m/%d/%Y", "%Y-%m-%d")
COLUMNS = {
    "day": ("DeliveryDate",),
    "hour": ("DeliveryHour", "HourEnding"),
    "settlement_point": ("SettlementPointName", "SettlementPoint"),
    "price": ("SettlementPointPrice", "CappedSettlementPointPrice"),
}
# Columns that not every file has.
OPTIONAL = {
    "quarter": ("DeliveryInterval",),
    "settlement_point_type": ("SettlementPointType",),
    "flag": ("DSTFlag", "RepeatedHourFlag"),
}
QUARTERS_PER_HOUR = 4
HOUR_S = 3600


@options("market")
class ErcotMarket(NodalMarket):
    """NP6-905 (15 minutes) and NP4-190 (day-ahead, hourly) files of settlement point prices.

    Hours are numbered 1 to 24 by their END, and quarters 1 to 4 within the hour, on the local clock of Texas. DSTFlag,
    which newer files call RepeatedHourFlag, is Y in the second pass of the hour that the clock repeats in autumn. In
    files without it, the order of the rows decides.

    Attributes:
        settlement_point: for example ``HB_NORTH``; None uses the only one in the files.
        settlement_point_type: for example ``LZ`` or ``LZEW`` (load zones have both under one name); None uses the only
            one in the files.
    """

    settlement_point: Name | None
    settlement_point_type: Name | None

    small_files_together: ClassVar[bool] = True
    selectors: ClassVar[tuple[str, ...]] = ("settlement_point", "settlement_point_type")
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    usual_selection: ClassVar[tuple[str, ...]] = ("HB_HUBAVG", "HB_NORTH", "LZ_NORTH", "LZ")
    interval_hint: ClassVar[str] = "Real-time files have 15 minutes, day-ahead files 60"

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str:
        """Return the kind of prices: those of hours are day-ahead, those of quarters real-time."""
        return DAY_AHEAD if interval_s == HOUR_S else REAL_TIME

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, stamped by the start of the interval."""
        table = read_file(file, names=COLUMNS | OPTIONAL)
        names = COLUMNS | {name: columns for name, columns in OPTIONAL.items() if has_column(table, columns)}
        frame = named_columns(file, table, names, "ERCOT settlement point price files")
        if "settlement_point_type" not in frame:
            frame["settlement_point_type"] = ""
        # A file has hundreds of settlement points. The others need not be parsed.
        return self._stamped(file, chosen_rows(file, frame))

    def _stamped(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        row = frame["row"]
        day = parse_stamps(file, row, frame.pop("day"), FORMATS, "01/31/2024")
        hour = whole_numbers(file, row, frame.pop("hour").str.removesuffix(":00"), "the hour", 24)
        minutes, frame["length"] = 60 * (hour - 1), HOUR_S
        if "quarter" in frame:
            quarter = whole_numbers(file, row, frame.pop("quarter"), "DeliveryInterval", QUARTERS_PER_HOUR)
            minutes += 60 // QUARTERS_PER_HOUR * (quarter - 1)
            frame["length"] = HOUR_S // QUARTERS_PER_HOUR
        frame["stamp"] = after_midnight(day, minutes)
        frame["price"] = to_numbers(file, row, frame["price"], "SettlementPointPrice")
        frame["repeated"] = self._repeated(file, frame)
        return frame.drop(columns="flag", errors="ignore")

    def _repeated(self, file: Path, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (N,) True in the second pass of the repeated hour, by the flags or else by the order of the rows."""
        if "flag" not in frame:
            for field in self.selectors:
                frame = select_rows(file, frame, field, getattr(self, field))
            return second_pass(file, frame, self.time_zone)
        flag = frame["flag"].str.upper()
        invalid = ~flag.isin(["Y", "N"]).to_numpy()
        if invalid.any():
            i = int(np.argmax(invalid))
            problem = f"DSTFlag or RepeatedHourFlag is {flag.iloc[i]!r}, not Y or N"
            raise row_error(file, int(frame["row"].iloc[i]), problem, "Correct the row, or download the file again")
        return np.asarray(flag == "Y", np.bool_)
