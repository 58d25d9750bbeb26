"""ERCOT's settlement point price files (Texas)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.market.file_rows import complaint, pick, to_numbers
from battery_lab.market.price_files import has_column, named_columns, read_file
from battery_lab.market.reader import FileMarket
from battery_lab.market.timestamps import parse_stamps

FORMATS = ("%m/%d/%Y", "%Y-%m-%d")
COLUMNS = {
    "day": ("DeliveryDate",),
    "hour": ("DeliveryHour", "HourEnding"),
    "settlement_point": ("SettlementPointName", "SettlementPoint"),
    "price": ("SettlementPointPrice",),
    "flag": ("DSTFlag", "RepeatedHourFlag"),
}
PART, POINT_TYPE = ("DeliveryInterval",), ("SettlementPointType",)
PARTS_AN_HOUR = 4


@dataclass(frozen=True, kw_only=True)
class ErcotMarket(FileMarket):
    """NP6-905 (15 minutes) and NP4-190 (day-ahead, hourly) files of settlement point prices.

    Hours are numbered 1 to 24 by their END, quarters 1 to 4 within them, on Texas's clock; DSTFlag is Y in the second
    pass of the hour that the clock repeats in autumn.

    Attributes:
        settlement_point: for instance ``HB_NORTH``; None takes the only one there is.
        settlement_point_type: for instance ``LZ`` or ``LZEW`` (load zones have both under one name); None takes the
            only one there is.
    """

    time_zone: str
    settlement_point: str | None
    settlement_point_type: str | None

    picks: ClassVar[tuple[str, ...]] = ("settlement_point", "settlement_point_type")
    interval_hint: ClassVar[str] = "Real-time files have 15 minutes, day-ahead files 60"

    def stamp_zone(self) -> str:
        """Return the local clock."""
        return self.time_zone

    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows, stamped by their start."""
        table = read_file(file)
        optional = {"part": PART, "settlement_point_type": POINT_TYPE}
        names = COLUMNS | {name: theirs for name, theirs in optional.items() if has_column(table, theirs)}
        frame = named_columns(file, table, names, "ERCOT settlement point price files (CSV)")
        if "settlement_point_type" not in frame:
            frame["settlement_point_type"] = ""
        if self.settlement_point is not None:
            # A file has hundreds of points: the others need not be parsed.
            chosen = pick(file, frame, "settlement_point", self.settlement_point)
            frame = chosen if len(chosen) else frame
        return self._stamped(file, frame.copy())

    def _stamped(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        row = frame["row"]
        day = parse_stamps(file, row, frame.pop("day"), FORMATS, "01/31/2024")
        hour = _counted(file, row, frame.pop("hour").str.removesuffix(":00"), "the hour", 24)
        part = _counted(file, row, frame.pop("part"), "DeliveryInterval", PARTS_AN_HOUR) if "part" in frame else 1
        minutes = 60 * (hour - 1) + 60 // PARTS_AN_HOUR * (part - 1)
        frame["stamp"] = day + pd.to_timedelta(minutes, unit="min").astype("timedelta64[s]")
        frame["price"] = to_numbers(file, row, frame["price"], "SettlementPointPrice")
        flag = frame.pop("flag").str.upper()
        unclear = ~flag.isin(["Y", "N"]).to_numpy()
        if unclear.any():
            i = int(np.argmax(unclear))
            problem = f"DSTFlag is {flag.iloc[i]!r}, not Y or N"
            raise complaint(file, int(row.iloc[i]), problem, "Correct the row, or download the file again")
        frame["repeated"] = flag == "Y"
        return frame


def _counted(file: Path, row: pd.Series, text: pd.Series, name: str, most: int) -> pd.Series:
    """Return whole numbers from 1 to ``most``."""
    number = pd.to_numeric(text, errors="coerce")
    wrong = ~number.isin(range(1, most + 1)).to_numpy()
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"{name} is {text.iloc[i]!r}, not a whole number from 1 to {most}"
        raise complaint(file, int(row.iloc[i]), problem, "Correct the row, or download the file again")
    return number.astype("int64")
