"""NYISO's LBMP files (New York), zones or generators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from battery_lab.common.errors import require_choice
from battery_lab.market.file_rows import complaint, pick, to_numbers
from battery_lab.market.price_files import named_columns, read_file
from battery_lab.market.reader import FileMarket
from battery_lab.market.timestamps import parse_stamps

FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
COLUMNS = {"text": ("Time Stamp",), "zone": ("Name",), "price": ("LBMP ($/MWHr)",)}


@dataclass(frozen=True, kw_only=True)
class NyisoMarket(FileMarket):
    """LBMP files, stamped on New York's clock, which repeats an hour in autumn and does not flag it.

    Attributes:
        zone: the zone or generator by name, for instance ``N.Y.C.``; None takes the only one there is.
        stamps: ``end`` in the real-time 5-minute files, ``start`` in the hourly ones (day-ahead, integrated).
        off_grid: what to do with the rows that the operator adds when it dispatches between two intervals
            (stamps such as 13:52:18): ``refuse`` them, or ``drop`` them, which keeps the regular interval's price.
    """

    time_zone: str
    zone: str | None
    stamps: str
    off_grid: str

    picks: ClassVar[tuple[str, ...]] = ("zone",)
    interval_hint: ClassVar[str] = "Real-time files have 5 minutes, day-ahead files 60"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("market.stamps", self.stamps, ("start", "end"))
        require_choice("market.off_grid", self.off_grid, ("refuse", "drop"))

    def stamp_zone(self) -> str:
        """Return the local clock."""
        return self.time_zone

    def stamps_end(self) -> bool:
        """Return whether the files are stamped by the interval's end."""
        return self.stamps == "end"

    def read(self, file: Path) -> pd.DataFrame:
        """Return a file's rows."""
        frame = named_columns(file, read_file(file), COLUMNS, "NYISO LBMP files")
        if self.zone is not None:
            # A file has fifteen zones or hundreds of generators: the others need not be parsed.
            chosen = pick(file, frame, "zone", self.zone)
            frame = chosen if len(chosen) else frame
        frame["stamp"] = parse_stamps(file, frame["row"], frame.pop("text"), FORMATS, "01/31/2024 00:05:00")
        frame["price"] = to_numbers(file, frame["row"], frame["price"], "LBMP ($/MWHr)")
        return self._on_grid(file, frame)

    def _on_grid(self, file: Path, frame: pd.DataFrame) -> pd.DataFrame:
        grid_s = 60 * (self.interval_minutes or 5)
        off = (frame["stamp"].astype("int64") % grid_s != 0).to_numpy()
        if off.any() and self.off_grid == "refuse":
            i = int(np.argmax(off))
            problem = f"the stamp {frame['stamp'].iloc[i]} is not on a whole interval ({off.sum()} such rows)"
            remedy = "NYISO adds such rows when it dispatches in between: leave them out with market.off_grid=drop"
            raise complaint(file, int(frame["row"].iloc[i]), problem, remedy)
        return frame[~off]
