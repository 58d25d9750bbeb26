"""AEMO (Australia's National Electricity Market): aggregated price and demand files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.validated_options import options
from battery_lab.market.cells.cell_numbers import to_numbers
from battery_lab.market.cells.operator_stamps import parse_stamps
from battery_lab.market.file_formats.price_files import named_columns, read_file
from battery_lab.market.file_formats.rows_with_source import row_error
from battery_lab.market.readers.aemo_vintages import EXAMPLE, FORMATS
from battery_lab.market.readers.nem_market import NemMarket

COLUMNS = {
    "region": ("REGION",),
    "text": ("SETTLEMENTDATE",),
    "demand_mw": ("TOTALDEMAND",),
    "price": ("RRP",),
    "kind": ("PERIODTYPE",),
}


@options("market")
class AemoMarket(NemMarket):
    """PRICE_AND_DEMAND files: one month and region each, stamped by the END of the interval in UTC+10 all year.

    All rows must have PERIODTYPE TRADE. Any other type is an error: these files have no such rows, so the file is of
    another kind, and forecasts among prices would be look-ahead.

    Attributes:
        time_zone: clock of the calendar; None uses the region's local clock.
        region: the region, for example ``VIC1``; None uses the only one in the files.
    """

    further_columns: ClassVar[tuple[str, ...]] = ("demand_mw",)
    small_files_together: ClassVar[bool] = True
    selectors: ClassVar[tuple[str, ...]] = ("region",)
    recognised_by: ClassVar[tuple[Mapping[str, Sequence[str]], ...]] = (COLUMNS,)
    interval_hint: ClassVar[str] = "AEMO's intervals are 30 minutes until 2021-10-01 and 5 minutes after it"

    def read(self, file: Path) -> pd.DataFrame:
        """Return the rows of a file, with ``demand_mw``."""
        frame = named_columns(file, read_file(file, names=COLUMNS), COLUMNS, "AEMO PRICE_AND_DEMAND files")
        kind = frame.pop("kind")
        other = kind.str.upper() != "TRADE"
        if other.any():
            i = int(np.argmax(other))
            remedy = "Use PRICE_AND_DEMAND files only, or remove such rows"
            meaning = "a price that was not settled" if kind.iloc[i] else "an incomplete row"
            problem = f"PERIODTYPE is {kind.iloc[i]!r}, not TRADE: {meaning}"
            raise row_error(file, int(frame["row"].iloc[i]), problem, remedy)
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, EXAMPLE)
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "RRP")
        frame["demand_mw"] = to_numbers(file, frame["row"], frame["demand_mw"], "TOTALDEMAND")
        return frame
