"""Forecast vintages: the forecasts of one product by the time they were published, of which only past ones are seen.

A run is what was published at once: values for intervals in a row. At any time, the *newest* run is the one that was
published last before it. Runs may overlap, differ in length and in how long before their first interval they were
published.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.vintage_runs import SECOND, Runs, Times, check_runs, find_step_s, runs_from_rows

HOUR_S = 3600
# Runs before the newest one that a piece of a product keeps, for revisions.
EARLIER = 2


class Vintage(NamedTuple):
    """One run of a forecast, as it was known at a time; read-only.

    Attributes:
        published: datetime64[s], UTC: when it was published.
        start: (K,) datetime64[s], UTC: start of each interval.
        values: (K,) float32; NaN where nothing was forecast.
        age_h: hours since it was published.
    """

    published: np.datetime64
    start: Times
    values: NDArray[np.float32]
    age_h: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ForecastVintages:
    """The forecasts of one quantity by one product. Make it with ``of``, or from stored arrays with ``of_runs``.

    Everything that a policy, a feature or a baseline may use is bound to a time: ``as_of`` and ``newest`` here, and
    ``NewestRuns`` for all rows of a series.

    Attributes:
        name: the product, for example ``predispatch``.
        quantity: what it forecasts: ``price`` or the name of a column of the series.
        step_h: length of its intervals, hours; it need not be that of the series.
    """

    name: str
    quantity: str
    step_h: float
    _runs: Runs

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
        published, start = published.astype("datetime64[s]"), start.astype("datetime64[s]")
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

    def newest(self, times: Times, latency_h: float = 0.0) -> NDArray[np.int32]:
        """Return the (T,) number of the newest run for each of (T,) times; -1 where none was published.

        Args:
            times: datetime64, UTC.
            latency_h: hours from publication until a run can be used.

        Raises:
            ValueError: the latency is negative, which would be a look ahead.
        """
        if not latency_h >= 0:
            raise ValueError(f"latency_h must be 0 or more hours, got {latency_h}")
        seen = np.asarray(times).astype("datetime64[s]") - round(latency_h * HOUR_S) * SECOND
        return (np.searchsorted(self._runs.published, seen, side="right") - 1).astype(np.int32)

    def as_of(self, time: np.datetime64, latency_h: float = 0.0) -> Vintage | None:
        """Return the newest run at a time, UTC; None if none was published. ``latency_h`` is as in ``newest``."""
        number = int(self.newest(np.array([time]), latency_h)[0])
        if number < 0:
            return None
        published, first, offset, values = self._runs
        begin, end = int(offset[number]), int(offset[number + 1])
        start = first[number] + self.step_s * SECOND * np.arange(end - begin)
        start.flags.writeable = False
        age_h = float((time.astype("datetime64[s]") - published[number]) / np.timedelta64(HOUR_S, "s"))
        return Vintage(published[number], start, values[begin:end], age_h)

    def between(self, begin: np.datetime64, end: np.datetime64) -> ForecastVintages:
        """Return what may be seen from one time to another, as views: the newest runs then, and a few before them."""
        first, last = self.newest(np.array([begin, end])).tolist()
        low = min(max(first - EARLIER, 0), len(self) - 1)
        return self._with(self._runs.rows(low, max(last, low) + 1))

    def shifted(self, by: np.timedelta64) -> ForecastVintages:
        """Return the same forecasts at other dates."""
        return self._with(self._runs._replace(published=self._runs.published + by, first=self._runs.first + by))

    @cached_property
    def digest(self) -> str:
        """Hash of the content."""
        hasher = hashlib.sha256(repr((self.name, self.quantity, self.step_h)).encode())
        published, first, offset, values = self._runs
        for array in (published, first, offset - offset[0], values[offset[0] : offset[-1]]):
            hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()[:16]

    def _with(self, runs: Runs) -> ForecastVintages:
        return ForecastVintages.of_runs(name=self.name, quantity=self.quantity, step_h=self.step_h, runs=runs)


def stored_runs(vintages: ForecastVintages) -> Runs:
    """Return the arrays of all runs, later ones too: for storage and for tests of look-ahead, in this folder alone."""
    return vintages._runs
