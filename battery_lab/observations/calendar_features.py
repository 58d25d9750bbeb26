"""Features of the local clock: hour, day of the week and season."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Int, options
from battery_lab.observations.feature import Block, side_by_side
from battery_lab.observations.market_history import History


@options("observation feature Calendar")
class Calendar:
    """Cycles of the local clock as pairs of sine and cosine.

    Attributes:
        harmonics: number of pairs for the day.
        week: ``cycle`` for a pair over the week, ``fraction`` for the day of the week from 0 to 1, or ``none``.
        year: whether to add a pair over the year.
    """

    harmonics: Annotated[Int, Field(ge=0, le=8)]
    week: Literal["cycle", "fraction", "none"]
    year: bool

    def __post_init__(self) -> None:
        some = self.harmonics > 0 or self.week != "none" or self.year
        require(some, "observation feature Calendar", "must have harmonics, week or year", "none of them")

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block:
        """Return the pairs of the day, the week and the year."""
        columns: dict[str, NDArray[np.float64]] = {}
        cycles = {f"day/{k}": k * history.hour / 24 for k in range(1, self.harmonics + 1)}
        if self.week == "cycle":
            cycles["week"] = history.weekday / 7
        if self.year:
            cycles["year"] = history.day_of_year / 365.25
        for name, turns in cycles.items():
            columns[f"sin {name}"] = np.sin(2 * np.pi * turns)
            columns[f"cos {name}"] = np.cos(2 * np.pi * turns)
        if self.week == "fraction":
            columns["day of week"] = history.weekday / 6
        return Block(values=side_by_side(list(columns.values())), names=tuple(columns))


@options("observation feature HourOfDay")
class HourOfDay:
    """The local hour as one number from 0 to 1."""

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block:
        """Return one column."""
        return Block(values=(history.hour / 24)[:, None], names=("hour of day",))
