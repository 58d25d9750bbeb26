"""The features that observation sets are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, require
from battery_lab.observations.feature import Block
from battery_lab.observations.history import History


def _check_positive(field: str, hours: Sequence[float]) -> None:
    require(len(hours) > 0, field, "must name at least one length of time in hours", hours)
    require(all(0 < h <= 24 * 366 for h in hours), field, "must lie above 0 and within a year, in hours", list(hours))


@dataclass(frozen=True, kw_only=True)
class Lags:
    """Single past values of a column.

    Attributes:
        column: a market column.
        minutes: how long ago, in minutes; lags that fall into the same interval count once.
        optional: leave the feature out where the market lacks the column.
    """

    column: str
    minutes: Sequence[float]
    optional: bool

    def __post_init__(self) -> None:
        rule = "must be one or more lags of 0 minutes to a week"
        good = len(self.minutes) > 0 and all(0 <= m <= 7 * 1440 for m in self.minutes)
        require(good, "observation feature Lags.minutes", rule, list(self.minutes))

    @property
    def look_back_h(self) -> float:
        """The longest lag."""
        return max(self.minutes) / 60

    def build(self, history: History) -> Block | None:
        """Return one column a lag."""
        if self.optional and self.column not in history.columns:
            return None
        steps = sorted({round(m / 60 / history.interval_h) for m in self.minutes})
        hours = [n * history.interval_h for n in steps]
        values = np.stack([history.lag(self.column, h) for h in hours], axis=1)
        return Block(values=values, names=tuple(f"{self.column} {h * 60:g} min ago" for h in hours))


@dataclass(frozen=True, kw_only=True)
class Window:
    """Every value of a column over the last hours, oldest first."""

    column: str
    hours: float

    def __post_init__(self) -> None:
        _check_positive("observation feature Window.hours", [self.hours])

    @property
    def look_back_h(self) -> float:
        """The window."""
        return self.hours

    def build(self, history: History) -> Block:
        """Return one column an interval of the window."""
        values = history.window(self.column, self.hours)
        ages = np.arange(values.shape[1])[::-1] * history.interval_h * 60
        return Block(values=values, names=tuple(f"{self.column} {m:g} min ago" for m in ages), window=True)


@dataclass(frozen=True, kw_only=True)
class Means:
    """Trailing means of a column over several lengths of time."""

    column: str
    hours: Sequence[float]

    def __post_init__(self) -> None:
        _check_positive("observation feature Means.hours", self.hours)

    @property
    def look_back_h(self) -> float:
        """The longest mean."""
        return max(self.hours)

    def build(self, history: History) -> Block:
        """Return one column a length of time."""
        values = np.stack([history.mean(self.column, h) for h in self.hours], axis=1)
        return Block(values=values, names=tuple(f"{self.column} mean {h:g} h" for h in self.hours))


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Trailing quantiles of a column."""

    column: str
    hours: float
    quantiles: Sequence[float]

    def __post_init__(self) -> None:
        _check_positive("observation feature Quantiles.hours", [self.hours])
        good = len(self.quantiles) > 0 and all(0 <= q <= 1 for q in self.quantiles)
        rule = "must be one or more fractions from 0 to 1"
        require(good, "observation feature Quantiles.quantiles", rule, list(self.quantiles))

    @property
    def look_back_h(self) -> float:
        """The window."""
        return self.hours

    def build(self, history: History) -> Block:
        """Return one column a quantile."""
        values = history.quantiles(self.column, self.hours, self.quantiles)
        return Block(values=values, names=tuple(f"{self.column} q{q:g} {self.hours:g} h" for q in self.quantiles))


@dataclass(frozen=True, kw_only=True)
class SameHours:
    """What the hours now ahead did on the days before.

    Attributes:
        column: a market column.
        hours_ahead: which hours: 1 is the hour that begins when the last interval with a known price ends, 24 the one
            that ends a day after it.
        days: over how many days the mean goes, yesterday first.
    """

    column: str
    hours_ahead: Sequence[float]
    days: int

    def __post_init__(self) -> None:
        good = len(self.hours_ahead) > 0 and all(1 <= h <= 24 for h in self.hours_ahead)
        rule = "must be one or more hours from 1 to 24"
        require(good, "observation feature SameHours.hours_ahead", rule, list(self.hours_ahead))
        require(1 <= self.days <= 28, "observation feature SameHours.days", "must be 1 to 28 days", self.days)

    @property
    def look_back_h(self) -> float:
        """All days."""
        return 24.0 * self.days

    def build(self, history: History) -> Block:
        """Return one column an hour."""
        values = np.stack([history.same_hour(self.column, h, self.days) for h in self.hours_ahead], axis=1)
        label = "yesterday" if self.days == 1 else f"last {self.days} days"
        return Block(values=values, names=tuple(f"{self.column} {label} +{h:g} h" for h in self.hours_ahead))


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """A column that is published ahead, over the hours to come."""

    column: str
    hours_ahead: Sequence[float]

    def __post_init__(self) -> None:
        _check_positive("observation feature Ahead.hours_ahead", self.hours_ahead)

    @property
    def look_back_h(self) -> float:
        """None."""
        return 0.0

    def build(self, history: History) -> Block:
        """Return one column an hour.

        Raises:
            ConfigError: the market has no such column, or it is not published far enough ahead.
        """
        if self.column not in history.columns:
            raise ConfigError(
                f"observation: the set looks ahead on column {self.column!r}, and the market has only "
                f"{', '.join(history.columns)}: choose observation=compact, or a market with a forecast "
                "(market=synthetic, or market=table with columns and lead_h)"
            )
        values = np.stack([history.ahead(self.column, h) for h in self.hours_ahead], axis=1)
        return Block(values=values, names=tuple(f"{self.column} +{h:g} h" for h in self.hours_ahead))


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The local clock: cycles as sine and cosine pairs.

    Attributes:
        harmonics: how many sine and cosine pairs the day gets.
        week: ``cycle`` for a pair over the week, ``fraction`` for the day of the week from 0 to 1, ``none``.
        year: whether the year gets a pair.
    """

    harmonics: int
    week: str
    year: bool

    def __post_init__(self) -> None:
        require(0 <= self.harmonics <= 8, "observation feature Calendar.harmonics", "must be 0 to 8", self.harmonics)
        choices = ("cycle", "fraction", "none")
        require(self.week in choices, "observation feature Calendar.week", f"must be one of {choices}", self.week)
        some = self.harmonics > 0 or self.week != "none" or self.year
        require(some, "observation feature Calendar", "must show something: harmonics, week or year", "nothing")

    @property
    def look_back_h(self) -> float:
        """None."""
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
        return Block(values=np.stack(list(columns.values()), axis=1), names=tuple(columns))


@dataclass(frozen=True, kw_only=True)
class HourOfDay:
    """The local hour as one number from 0 to 1."""

    @property
    def look_back_h(self) -> float:
        """None."""
        return 0.0

    def build(self, history: History) -> Block:
        """Return one column."""
        return Block(values=(history.hour / 24)[:, None], names=("hour of day",))
