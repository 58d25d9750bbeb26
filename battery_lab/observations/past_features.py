"""Features of past values: lags, windows, means, quantiles, and the same hours of past days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.observations.feature import Block, side_by_side
from battery_lab.observations.market_history import History

YEAR_H = 24 * 366
WEEK_MIN = 7 * 1440
Hours = Annotated[float, Field(gt=0, le=YEAR_H), Unit("hours")]
Minutes = Annotated[float, Field(ge=0, le=WEEK_MIN), Unit("minutes")]


@options("observation feature Lags")
class Lags:
    """Single past values of a column.

    Attributes:
        column: a market column.
        minutes: ages of the values, minutes. Ages within the same interval give one value.
        optional: whether to leave the feature out if the market does not have the column.
    """

    column: str
    minutes: Annotated[Sequence[Minutes], Field(min_length=1, max_length=1000)]
    optional: bool

    @property
    def look_back_h(self) -> float:
        return max(self.minutes) / 60

    def build(self, history: History) -> Block | None:
        """Return one column per lag."""
        if self.optional and self.column not in history.columns:
            return None
        steps = sorted({round(m / 60 / history.interval_h) for m in self.minutes})
        hours = [n * history.interval_h for n in steps]
        values = side_by_side([history.lag(self.column, h) for h in hours])
        return Block(values=values, names=tuple(f"{self.column} {h * 60:g} min ago" for h in hours))


@options("observation feature Window")
class Window:
    """All values of a column over the last hours, oldest first."""

    column: str
    hours: Hours

    @property
    def look_back_h(self) -> float:
        return self.hours

    def build(self, history: History) -> Block:
        """Return one column per interval of the window."""
        values = history.window(self.column, self.hours)
        ages = np.arange(values.shape[1])[::-1] * history.interval_h * 60
        return Block(values=values, names=tuple(f"{self.column} {m:g} min ago" for m in ages), window=True)


@options("observation feature Means")
class Means:
    """Rolling means of a column.

    Attributes:
        column: a market column.
        hours: length of each window, hours.
    """

    column: str
    hours: Annotated[Sequence[Hours], Field(min_length=1, max_length=1000)]

    @property
    def look_back_h(self) -> float:
        return max(self.hours)

    def build(self, history: History) -> Block:
        """Return one column per window."""
        values = side_by_side([history.mean(self.column, h) for h in self.hours])
        return Block(values=values, names=tuple(f"{self.column} mean {h:g} h" for h in self.hours))


@options("observation feature Quantiles")
class Quantiles:
    """Rolling quantiles of a column.

    Attributes:
        column: a market column.
        hours: length of the window, hours.
        quantiles: fractions from 0 to 1.
        optional: whether to leave the feature out if the market does not have the column.
    """

    column: str
    hours: Hours
    quantiles: Annotated[Sequence[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=1000)]
    optional: bool

    @property
    def look_back_h(self) -> float:
        return self.hours

    def build(self, history: History) -> Block | None:
        """Return one column per quantile."""
        if self.optional and self.column not in history.columns:
            return None
        values = history.quantiles(self.column, self.hours, self.quantiles)
        return Block(values=values, names=tuple(f"{self.column} q{q:g} {self.hours:g} h" for q in self.quantiles))


@options("observation feature SameHours")
class SameHours:
    """Values that the coming hours of the day had on past days.

    Attributes:
        column: a market column.
        hours_ahead: the coming hours. 1 is the hour that begins at the end of the last interval with a known price, 24
            the hour that ends one day after it.
        days: number of past days in the mean, yesterday first.
        optional: whether to leave the feature out if the market does not have the column.
    """

    column: str
    hours_ahead: Annotated[
        Sequence[Annotated[float, Field(ge=1, le=24), Unit("hours")]], Field(min_length=1, max_length=1000)
    ]
    days: Annotated[Int, Field(ge=1, le=28), Unit("days")]
    optional: bool

    @property
    def look_back_h(self) -> float:
        return 24.0 * self.days

    def build(self, history: History) -> Block | None:
        """Return one column per hour."""
        if self.optional and self.column not in history.columns:
            return None
        values = side_by_side([history.same_hour(self.column, h, self.days) for h in self.hours_ahead])
        label = "yesterday" if self.days == 1 else f"last {self.days} days"
        return Block(values=values, names=tuple(f"{self.column} {label} +{h:g} h" for h in self.hours_ahead))
