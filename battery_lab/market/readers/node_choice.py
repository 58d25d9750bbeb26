"""Node choice: options that name a node or a market run, and the rows that they choose before these are parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Protocol

import pandas as pd
from pydantic import BeforeValidator, Field

from battery_lab.common.validated_options import Rule
from battery_lab.market.file_formats.row_selection import select_rows

MarketRun = Literal["day_ahead", "real_time"]
RUN_PRODUCTS = {"day_ahead": "day-ahead", "real_time": "real-time"}
# A number, which YAML and the command line do not quote.
NodeId = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1),
    Rule("an identifier in the files"),
]


class Chooser(Protocol):
    """A market whose fields ``selectors`` choose rows."""

    @property
    def selectors(self) -> tuple[str, ...]: ...


def chosen_rows(file: Path, frame: pd.DataFrame, market: Chooser) -> pd.DataFrame:
    """Return the rows that the market's options choose, so that the others need not be parsed.

    If there are none, the rows up to there are returned, so that the error can list what the file has.

    Args:
        file: the file.
        frame: its rows, with a column for each selector of the market.
        market: the market.
    """
    for field in market.selectors:
        if (choice := getattr(market, field)) is not None:
            chosen = select_rows(file, frame, field, choice)
            if not len(chosen):
                break
            frame = chosen
    return frame.copy()
