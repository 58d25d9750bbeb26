"""Forecast vintages: the forecasts of one product by the time they were published, of which only past ones are seen.

A run is what was published at once: values for intervals in a row. Runs may overlap, differ in length and in how long
before their first interval they were published. At any time, the forecast of an interval is that of the newest run that
covers it and was published before that time, as ``newest_runs`` states.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.newest_runs import EARLIER_H, RunIndex, index_runs, intervals
from battery_lab.market.forecasts.vintage_runs import (
    HOUR_S,
    Ints,
    Runs,
    Times,
    check_runs,
    find_step_s,
    runs_from_rows,
    whole_seconds_up,
)

# Runs before the newest one that a piece of a product keeps, with those that count beside them, for revisions.
EARLIER = 2


class Vintage(NamedTuple):
    """A forecast as it was known at a time; read-only, and without a reference to any later run.

    Attributes:
        published: datetime64[s], UTC: when the newest run was published.
        start: (K,) datetime64[s], UTC: start of each interval, from the first one of the newest run or the present one
            on, up to the last one that is forecast.
        values: (K,) float32; NaN where nothing was forecast.
        age_h: hours since the newest run was published.
        value_published: (K,) datetime64[s], UTC: when each value was published; NaT where nothing was forecast.
    """

    published: np.datetime64
    start: Times
    values: NDArray[np.float32]
    age_h: float
    value_published: Times


@dataclass(frozen=True, kw_only=True, eq=False)
class ForecastVintages:
    """The forecasts of one quantity by one product. Make it with ``of``, or from stored arrays with ``of_runs``.

    Everything that a policy, a feature or a baseline may use is bound to a time: ``as_of`` and ``newest`` here, and
    ``NewestVintages`` for all rows of a series.

    Attributes:
        name: the product, for example ``predispatch``.
        quantity: what it forecasts: ``price`` or the name of a column of the series.
        step_h: length of its intervals, hours; it need not be that of the series.
        latency_h: hours from publication until a run can be used.
    """

    name: str
    quantity: str
    step_h: float
    _runs: Runs
    latency_h: float = 0.0

    @classmethod
    def of(
        cls,
        *,
        name: str,
        quantity: str,
        published: Times,
        start: Times,
        value: NDArray[Any],
        step_h: float | None = None,
        run: NDArray[Any] | None = None,
    ) -> ForecastVintages:
        """Return the forecasts in N rows, in any order.

        Rows with the same time of publication are one run, unless ``run`` says otherwise. If two runs are published at
        the same time, the one that begins later is the newer one. What a run leaves out between its first and its last
        interval is NaN.

        Args:
            name: the product.
            quantity: what it forecasts.
            published: (N,) datetime64, UTC, when each value was really published.
            start: (N,) datetime64, UTC, start of its interval.
            value: (N,) values; NaN where nothing was forecast.
            step_h: length of an interval, hours; None takes the shortest step within a run.
            run: (N,) label of the run of each row; its time of publication is that of its last value.

        Raises:
            DataError: there are no rows, a value is beyond any price or power, an interval of a run has two different
                values, or intervals of a run are not whole steps apart.
        """
        published, start, value = (np.asarray(array) for array in (published, start, value))
        published, start = whole_seconds_up(published), start.astype("datetime64[s]")
        step_s = find_step_s(name, published, start, run) if step_h is None else round(step_h * HOUR_S)
        runs = runs_from_rows(name, max(step_s, 1), published, start, value, run)
        return cls.of_runs(name=name, quantity=quantity, step_h=step_s / HOUR_S, runs=runs)

    @classmethod
    def of_runs(cls, *, name: str, quantity: str, step_h: float, runs: Runs) -> ForecastVintages:
        """Return forecasts whose arrays are already by run, such as stored ones.

        Raises:
            DataError: the arrays do not fit together.
        """
        if not step_h * HOUR_S >= 1:
            raise DataError(f"the forecast {name!r} has a step of {step_h} hours: it must be greater than 0")
        check_runs(name, runs)
        return cls(name=name, quantity=quantity, step_h=step_h, _runs=runs.read_only())

    def __len__(self) -> int:
        """Return R, the number of runs."""
        return len(self._runs.published)

    @property
    def step_s(self) -> int:
        """Length of an interval, seconds."""
        return round(self.step_h * HOUR_S)

    def delayed(self, latency_h: float) -> ForecastVintages:
        """Return the same forecasts, of which each run can be used some hours after its publication.

        Raises:
            ValueError: the latency is negative, which would be a look ahead.
        """
        if not latency_h >= 0:
            raise ValueError(f"latency_h must be 0 or more hours, got {latency_h}")
        return replace(self, latency_h=latency_h)

    def newest(self, times: Times) -> NDArray[np.int32]:
        """Return the (T,) number of the newest run for each of (T,) times, UTC; -1 where none can be used."""
        seen = np.asarray(times).astype("datetime64[s]").astype(np.int64)
        return (np.searchsorted(seen_from_s(self), seen, side="right") - 1).astype(np.int32)

    def as_of(self, time: np.datetime64) -> Vintage | None:
        """Return the forecast at a time, UTC; None if no run can be used then."""
        number = int(self.newest(np.array([time]))[0])
        if number < 0:
            return None
        now_s, index, step = int(time.astype("datetime64[s]").astype(np.int64)), self._index, self.step_s
        first = int(index.first_s[number])
        present = now_s - (now_s - first) % step
        low = min(first, max(present, int(index.first_s[index.oldest[number] : number + 1].min())))
        begin = first - (first - low) // step * step
        count = -((begin - int(index.reach_s[number])) // step)
        values, run_of = intervals(index, number, step, begin, count)
        published, start = self._runs.published, (begin + step * np.arange(count)).astype("datetime64[s]")
        each = np.where(run_of >= 0, published[run_of], np.datetime64("NaT", "s"))
        for array in (start, values, each):
            array.flags.writeable = False
        age_h = float((time.astype("datetime64[s]") - published[number]) / np.timedelta64(HOUR_S, "s"))
        return Vintage(published[number], start, values, age_h, each)

    def between(self, begin: np.datetime64, end: np.datetime64) -> ForecastVintages:
        """Return what may be seen from one time to another, as views: the newest runs then, and those that they need.

        There is no run in it if none may be seen.
        """
        (first, last), seen = self.newest(np.array([begin, end])).tolist(), seen_from_s(self)
        low = 0
        if first >= 0:
            low = int(np.searchsorted(seen, seen[max(first - EARLIER, 0)] - EARLIER_H * HOUR_S))
        return replace(self, _runs=self._runs.rows(low, last + 1).read_only())

    def shifted(self, by: np.timedelta64) -> ForecastVintages:
        """Return the same forecasts at other dates."""
        return self.with_runs(self._runs._replace(published=self._runs.published + by, first=self._runs.first + by))

    def with_runs(self, runs: Runs) -> ForecastVintages:
        """Return forecasts of the same kind with other runs, of which there may be none."""
        if len(runs.published):
            check_runs(self.name, runs)
        return replace(self, _runs=runs.read_only())

    @cached_property
    def _index(self) -> RunIndex:
        return index_runs([[self._runs]], [[seen_from_s(self)]], [self.step_s])

    @cached_property
    def digest(self) -> str:
        """Hash of the content."""
        latency = (self.latency_h,) if self.latency_h else ()
        hasher = hashlib.sha256(repr((self.name, self.quantity, self.step_h, *latency)).encode())
        published, first, offset, values = self._runs
        for array in (published, first, offset - offset[0], values[offset[0] : offset[-1]]):
            hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()[:16]


def stored_runs(vintages: ForecastVintages) -> Runs:
    """Return the arrays of all runs, later ones too: for storage and for tests of look-ahead, in this folder alone."""
    return vintages._runs


def seen_from_s(vintages: ForecastVintages) -> Ints:
    """Return the (R,) times from which each run can be used, in seconds since 1970."""
    return vintages._runs.published.astype(np.int64) + round(vintages.latency_h * HOUR_S)
