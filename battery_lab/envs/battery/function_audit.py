"""Function audit: another program's decisions, run through a period, and checked by changing what it must not use.

A function is given only what is known. Its decisions can depend on later values all the same: through what it was
given, such as a part of a longer array, or through data of its own, such as a file of all prices. Three checks compare
the decisions of a day before random moments.

- ``future``: all values that are not known at the moment are changed. No decision may move.
- ``restart``: the function is started again one day before the moment. All that it may depend on is given to it then,
  so it decides as before. A function that counts its calls, to find a row in data of its own, decides otherwise.
- ``dates``: the same values are known, at dates that are 52 weeks later, and without the first ones. A function that
  looks up data of its own, by date or by position, finds others. An honest one decides as before, except for what it
  derives from the season or from holidays, so a few decisions may move.

In a gap the battery is idle, so the function is not called there, and no decision of a gap is compared.

The run through the period and each of the three repetitions have a process of their own, in which the function is made
again. So a cache in memory, which would answer as before whatever is changed, has nothing to answer with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.common.forked_process import in_forked_processes
from battery_lab.envs.audit_interface import AuditCheck, Decide
from battery_lab.envs.battery.audited_function_answer import read_decision
from battery_lab.envs.battery.cycle_caps import new_meters
from battery_lab.envs.battery.decision_input import DecisionInputs
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.function_audit_checks import comparisons
from battery_lab.envs.battery.policy_audit import CHANGES, draw_moments
from battery_lab.market.forecasts.future_values import change_unknown, known_end
from battery_lab.planning.bid_clearing import clear

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
OTHER_DATES = np.timedelta64(364, "D")  # 52 weeks: the same day of the week, and nearly the same season
LEFT_OUT_DAYS = 7
SAME_POWER = 0.1  # requests that differ by at most this share of full power are the same


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The decisions of some rows.

    Attributes:
        numbers: (N, 1) requests in MW, or (N, 2) bids and offers; NaN where the function failed, and in gaps.
        request_mw: (N,) requests in MW, bids once cleared; NaN where the function failed, 0 in gaps.
        error: the first error of the function; empty if there was none.
    """

    numbers: Array
    request_mw: Array
    error: str = ""

    def of(self, rows: slice) -> Decisions:
        """Return a part of the decisions."""
        return Decisions(numbers=self.numbers[rows], request_mw=self.request_mw[rows])


@dataclass(frozen=True, kw_only=True)
class FunctionAudit:
    """A decision function and the period that it is run through.

    Attributes:
        problem: the period and the battery.
        make: returns the function, in its first state. It is called in processes of its own, never in this one.
    """

    problem: DispatchProblem
    make: Callable[[], Decide]

    def run(self) -> Decisions:
        """Return the decisions of the period, in order, from the battery's ``soc_start``.

        Raises:
            LabError: the function fails, or returns no decision.
        """
        (decisions,) = in_forked_processes("decide", self._run)
        return decisions

    def _run(self) -> Decisions:
        problem, battery, decide = self.problem, self.problem.battery, self.make()
        energy, meters = np.array([battery.energy_start_mwh]), new_meters(1)
        idle, numbers, requests = problem.idle.tolist(), [], []
        for row in range(problem.first, problem.end):
            try:
                is_idle = idle[row - problem.first]
                numbers.append(self._idle if is_idle else self._decision(decide, self._inputs, row, float(energy[0])))
            except Exception as error:  # another program's code may fail in any way
                when = problem.series.local_start[row].isoformat()
                if isinstance(error, ConfigError):
                    raise ConfigError(f"at {when}, {error}") from None
                raise LabError(f"decide failed at {when} with {_in_words(error)}: correct the function") from error
            requests.append(self._requests(np.array(numbers[-1:]), np.array([row])))
            step = (energy, requests[-1], problem.series.interval_h, np.array([row - problem.first]))
            _, energy = battery.step_within(*step, problem.allowance, meters)
        return Decisions(numbers=np.array(numbers), request_mw=np.concatenate(requests))

    def check(self, run: Decisions, energy_mwh: Array, moments: int, seed: int) -> list[AuditCheck]:
        """Compute the decisions of a day before random moments again, and compare them.

        Args:
            run: the decisions of the period.
            energy_mwh: (T,) stored energy before each of them.
            moments: number of moments.
            seed: draws the moments and the values.
        """
        problem, rng = self.problem, np.random.default_rng(seed)
        drawn = draw_moments(problem, moments, rng).tolist()
        days = [np.arange(max(problem.first, now + 1 - problem.series.intervals_per_day), now + 1) for now in drawn]
        energies = [energy_mwh[rows - problem.first] for rows in days]

        def again() -> list[Decisions]:
            return [self._decisions(self._inputs, *day) for day in zip(days, energies, strict=True)]

        def changed() -> list[Decisions]:
            inputs = (self._changed(now, number, rng) for number, now in enumerate(drawn))
            return [self._decisions(*day) for day in zip(inputs, days, energies, strict=True)]

        def redated() -> list[Decisions]:
            pairs = zip(days, energies, strict=True)
            return [self._decisions(self._redated, *day, left_out=self._left_out) for day in pairs]

        future, restart, dates = comparisons(len(drawn))
        for rows, *results in zip(days, *in_forked_processes("decide", again, changed, redated), strict=True):
            before, last = run.of(slice(rows[0] - problem.first, rows[-1] + 1 - problem.first)), rows == rows[-1]
            same, other, later = results
            future.add(rows, ~problem.idle[rows - problem.first], _differ(same.numbers, other.numbers), other.error)
            restart.add(rows, _act(before, same) & last, self._moved(before, same), same.error)
            dates.add(rows, _act(same, later), self._moved(same, later), later.error)
        return [comparison.check(problem) for comparison in (future, restart, dates)]

    @cached_property
    def _inputs(self) -> DecisionInputs:
        return DecisionInputs.of(self.problem.series, self.problem.battery, self.problem.price_lag)

    @cached_property
    def _left_out(self) -> int:
        """Number of first rows that are left out with other dates."""
        return min(LEFT_OUT_DAYS * self.problem.series.intervals_per_day, self.problem.first // 2)

    @cached_property
    def _redated(self) -> DecisionInputs:
        """The same values at other dates."""
        series = self.problem.series.rows(self._left_out, len(self.problem.series))
        forecasts = {name: known.shifted(OTHER_DATES) for name, known in series.forecasts.items()}
        redated = replace(series, start=series.start + OTHER_DATES, forecasts=forecasts)
        return DecisionInputs.of(redated, self.problem.battery, self.problem.price_lag)

    def _changed(self, now: int, number: int, rng: np.random.Generator) -> DecisionInputs:
        """Return inputs in which all values that are not known at a row are other ones."""
        problem = self.problem
        series, lag = problem.series, problem.price_lag
        end = max(known_end(series, name, now, lag) for name in ("price", *series.columns)) + series.intervals_per_day
        changed = change_unknown(series.rows(0, end), now, lag, CHANGES[number % len(CHANGES)], rng)
        return replace(self._inputs, series=changed)

    @cached_property
    def _idle(self) -> tuple[float, ...]:
        """What stands for the decision of a row in a gap."""
        return (np.nan,) * (2 if self.problem.bids else 1)

    def _decision(self, decide: Decide, inputs: DecisionInputs, row: int, energy_mwh: float) -> tuple[float, ...]:
        return read_decision(decide(inputs(row, energy_mwh)), self.problem.bids)

    def _decisions(self, inputs: DecisionInputs, rows: Rows, energy_mwh: Array, left_out: int = 0) -> Decisions:
        """Return the decisions of a function in its first state. An error of one becomes NaN."""
        decide, error = self.make(), ""
        numbers = np.tile(self._idle, (len(rows), 1))
        for place in np.flatnonzero(~self.problem.idle[rows - self.problem.first]).tolist():
            row = int(rows[place])
            try:
                numbers[place] = self._decision(decide, inputs, row - left_out, float(energy_mwh[place]))
            except Exception as failure:  # another program's code may fail in any way
                error = error or _in_words(failure)
        return Decisions(numbers=numbers, request_mw=self._requests(numbers, rows), error=error)

    def _requests(self, numbers: Array, rows: Rows) -> Array:
        """Return requests in MW; bids are cleared against the price of their interval. The rows of gaps hold."""
        idle = self.problem.idle[rows - self.problem.first]
        if not self.problem.bids:
            return np.where(idle, 0.0, numbers[:, 0])
        request, valid = np.full(len(rows), np.nan), ~np.isnan(numbers).any(axis=1)
        bid, offer = numbers[valid].T
        request[valid] = clear(bid, offer, self.problem.series.price[rows[valid]], self.problem.battery.power_mw)
        return np.where(idle, 0.0, request)

    def _moved(self, before: Decisions, after: Decisions) -> Flags:
        """Return whether requests differ, by more than SAME_POWER of full power."""
        near = np.abs(before.request_mw - after.request_mw) <= SAME_POWER * self.problem.battery.power_mw
        return np.asarray(~near & ~(np.isnan(before.request_mw) & np.isnan(after.request_mw)))


def _differ(before: Array, after: Array) -> Flags:
    """Return where rows of numbers are not equal to the bit, or one of them is NaN."""
    equal = (before == after) | (np.isnan(before) & np.isnan(after))
    return np.asarray(~equal.all(axis=1))


def _act(before: Decisions, after: Decisions) -> Flags:
    """Return where at least one of two decisions is not to hold: holding is no evidence."""
    return np.asarray((before.request_mw != 0) | (after.request_mw != 0))


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
