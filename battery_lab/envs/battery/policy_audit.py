"""Policy audit: a policy's decisions, computed again on series that differ only where they were not known.

For a moment t, all values that are not known when row t is dispatched are replaced: prices, measured columns, and
columns and vintages that are published later. Observations, actions and requests of the rows up to t are computed on
the original and on the changed series. They must be equal to the bit.

A piece of the series around t is enough for that, and is quick: the policy's look-back and a day of decisions before t,
and a stretch of changed values after it. Some moments are computed on the whole series and from the start of the
period, in case a feature reads values that are further away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require
from battery_lab.envs.audit_interface import AuditCheck
from battery_lab.envs.battery.action_set import Actions
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.interfaces import Actor
from battery_lab.market.forecasts.future_values import Change, change_unknown, known_end
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.observer import Observer

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
CHANGES: tuple[Change, ...] = get_args(Change)
WHOLE = 2  # moments that are computed on the whole series
CHUNK = 1024  # rows that a policy decides at a time
SHOWN = 5


def draw_moments(problem: DispatchProblem, moments: int, rng: np.random.Generator) -> Rows:
    """Return random rows of a period in random order, without gaps and the last row, after which all may be known.

    Raises:
        ConfigError: there would be none.
    """
    require(moments >= 1, "moments", "must be a whole number, 1 or more", moments)
    rows = np.arange(problem.first, max(problem.end - 1, problem.first + 1))
    rows = rows[~problem.idle[rows - problem.first]]
    return rng.choice(rows, min(moments, len(rows)), replace=False)


def local_times(series: MarketSeries, rows: Rows) -> tuple[str, ...]:
    """Return when the first of some rows start, as ISO 8601 on the local clock."""
    return tuple(series.local_start[row].isoformat() for row in np.unique(rows)[:SHOWN])


@dataclass(frozen=True, kw_only=True)
class PolicyAudit:
    """A policy and the evaluation that is audited.

    Attributes:
        problem: the period and the battery.
        actor: the policy.
        actions: the meaning of its actions.
        observer_of: computes the observations of a series, or of a piece of one.
        look_back: rows of history that an observation needs.
        energy_mwh: (T,) stored energy before each interval of the evaluation.
        left: (T, 2) fractions left of the caps on cycles before each interval.
    """

    problem: DispatchProblem
    actor: Actor
    actions: Actions
    observer_of: Callable[[MarketSeries], Observer]
    look_back: int
    energy_mwh: Array
    left: Array

    def check(self, moments: int, seed: int) -> AuditCheck:
        """Change the future at random moments, and compare the decisions before."""
        rng, moved, compared = np.random.default_rng(seed), [np.empty(0, np.int64)], 0
        for number, now in enumerate(draw_moments(self.problem, moments, rng).tolist()):
            whole = number < WHOLE
            rows = np.arange(self.problem.first if whole else self._first_row(now), now + 1)
            piece, start = self._piece(rows, whole)
            changed = change_unknown(piece, now - start, self.problem.price_lag, CHANGES[number % len(CHANGES)], rng)
            busy = ~self.problem.idle[rows - self.problem.first]
            moved.append(rows[self._differs(piece, changed, start, rows) & busy])
            compared += int(busy.sum())
        rows = np.concatenate(moved)
        return AuditCheck(
            name="future",
            change=f"all values that were not known at {number + 1} moments changed",
            decisions=compared,
            moved=len(rows),
            tolerated=0.0,
            first=local_times(self.problem.series, rows),
            error="",
            finding="a feature or the policy reads values that are not known when the interval is dispatched",
        )

    def _first_row(self, now: int) -> int:
        return max(self.problem.first, now + 1 - self.problem.series.intervals_per_day)

    def _piece(self, rows: Rows, whole: bool) -> tuple[MarketSeries, int]:
        """Return the rows of the series that the decisions of some rows may read, and the first of them."""
        series, lag = self.problem.series, self.problem.price_lag
        if whole:
            return series, 0
        now = int(rows[-1])
        start = max(int(rows[0]) - self.look_back, 0)
        known = max(known_end(series, name, now, lag) for name in ("price", *series.columns))
        return series.rows(start, known + max(self.look_back, series.intervals_per_day)), start

    def _differs(self, piece: MarketSeries, changed: MarketSeries, start: int, rows: Rows) -> NDArray[np.bool_]:
        """Return for each row whether its decision differs between two pieces of a series."""
        pairs = zip(self._decisions(piece, start, rows), self._decisions(changed, start, rows), strict=True)
        return np.concatenate([(before != after).any(axis=1) for before, after in pairs])

    def _decisions(self, piece: MarketSeries, start: int, rows: Rows) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes of observations, actions and requests, one row each, in chunks."""
        observer = self.observer_of(piece)
        for first in range(0, len(rows), CHUNK):
            chunk = rows[first : first + CHUNK]
            place = chunk - self.problem.first
            observation = observer(chunk - start, self.energy_mwh[place], self.left[place])
            actions = self.actor(observation)
            request = self.actions.request_mw(actions, piece.price[chunk - start])
            # The request of a bid that is not cleared yet depends on the price that is not known.
            request = np.where(chunk <= rows[-1] - self.problem.price_lag, request, 0.0)
            yield np.concatenate([_bytes(observation), _bytes(actions), _bytes(request)], axis=1)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (N, B) bytes of N rows."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1)
    return rows.view(np.uint8)
