"""Nodal market: the base class of readers of North American operators, who publish a price for each node."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from battery_lab.common.validated_options import Rule, options
from battery_lab.market.intervals.price_plausibility import LOCAL_PRICES, Range
from battery_lab.market.readers.day_ahead_market import DAY_AHEAD, REAL_TIME, DayAheadMarket
from battery_lab.market.readers.market_option_types import TimeZone

MarketRun = Literal["day_ahead", "real_time"]
RUN_KINDS = {"day_ahead": DAY_AHEAD, "real_time": REAL_TIME}
# A number, which YAML and the command line do not quote.
NodeId = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1),
    Rule("an identifier in the files"),
]


@options("market")
class NodalMarket(DayAheadMarket, ABC):
    """A market of locational prices on one local clock."""

    time_zone: TimeZone

    def stamp_zone(self) -> str:
        """Return the local clock; readers of files in UTC or standard time return that."""
        return self.time_zone

    def settled_range(self, stamps: NDArray[np.datetime64]) -> Range:
        """Return the range of local prices."""
        return LOCAL_PRICES

    def price_kind(self, files: Sequence[Path], selected: Mapping[str, str], interval_s: int) -> str | None:
        """Return the kind of prices, which the selected market run tells."""
        return RUN_KINDS.get(selected.get("market_run", ""))
