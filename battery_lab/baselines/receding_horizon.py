"""Receding horizon: plan the coming hours on a price forecast, dispatch the first part, and plan again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numba as nb
import numpy as np
from pydantic import Field

from battery_lab.baselines.vintage_dispatch import dispatch
from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Int, Unit, options
from battery_lab.envs.battery.cycle_caps import Allowance, new_meters
from battery_lab.envs.battery.delivery import deliver_within
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.physics import Array
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.forecasts.future_values import PRICE, is_known_ahead
from battery_lab.market.forecasts.newest_vintages import Ranks, ranked_products
from battery_lab.planning.bellman_backup import bellman_backup, greedy_action
from battery_lab.planning.energy_grid import EnergyGrid, coarse_grid
from battery_lab.planning.expected_prices import expect_prices, newest_known
from battery_lab.planning.marginal_bids import cleared_mwh
from battery_lab.planning.receding_plan import new_plan
from battery_lab.planning.vintage_plan import FORECAST, known_values, new_rhythm

NOT_PUBLISHED = -1


@options("env.baselines.receding_horizon")
class RecedingHorizon:
    """Plan on the forecasts of the series, or without one on the mean price at the same time of past days.

    With bids, each interval is bid at the marginal value of stored energy in the last plan.

    The price of each coming interval is the first of these that is known: the price itself, if it is published ahead;
    the newest vintage of a forecast of it, that of the finest step first; the column ``price_forecast``, as far ahead
    as it is published; the mean price at the same time of past days. The price of the current interval is the last
    known price. If that is the price of an interval before, it is corrected by the change of the forecast.

    With vintages or prices that are known ahead, a plan looks up to an hour further than ``horizon_h``, and takes the
    last two of these sources as they were when it was started, at most an hour ago.

    Attributes:
        horizon_h: how far ahead each plan looks, hours.
        replan_minutes: time from one plan to the next, minutes. A newer vintage makes a plan at once. Between plans,
            each known price is compared with the values of stored energy from the last plan.
        days: number of past days in the mean price of a time of day.
        forecasts: names of the vintages of the price to plan on; None: all.
        latency_h: hours from the publication of a vintage until a plan can use it; None: ``env.forecast_latency_h``,
            as all others.
        unknown_price: what stands for the price of the interval where only a vintage of it is known: ``forecast``, or
            ``corrected``, the last known price with the change of the forecast since.
    """

    horizon_h: Annotated[float, Field(gt=0), Highest(8784), Unit("hours")]
    replan_minutes: Annotated[float, Field(gt=0), Highest(527_040), Unit("minutes")]
    days: Annotated[Int, Field(ge=1), Highest(366), Unit("days")]
    forecasts: Sequence[str] | None
    latency_h: Annotated[float, Field(ge=0), Highest(8784), Unit("hours")] | None
    unknown_price: Literal["corrected", "forecast"]

    def __post_init__(self) -> None:
        where = "env.baselines.receding_horizon"
        rule = f"must be at most {where}.horizon_h = {self.horizon_h} hours"
        require(self.replan_minutes <= 60 * self.horizon_h, f"{where}.replan_minutes", rule, self.replan_minutes)

    def requests(self, problem: DispatchProblem) -> Array:
        """Return (T,) requests in MW. Rows before the first known price, and those of gaps, hold.

        Raises:
            ConfigError: the market has no such forecast.
        """
        series = problem.series
        field = "env.baselines.receding_horizon.forecasts"
        ranks = ranked_products(series, PRICE, self.forecasts, field)
        if ranks or is_known_ahead(series, PRICE) or FORECAST in series.published:
            return self._requests_on_vintages(problem, ranks)
        step = series.interval_h
        # A column without lead time is a measurement, which is known only afterwards.
        ahead = FORECAST in series.columns and FORECAST in series.lead_h
        price = np.array(series.price)  # copies: the compiled code is cached for writable arrays only
        published = np.array(series.columns[FORECAST]) if ahead else price
        lead = int(series.lead_h[FORECAST] / step + 1e-9) if ahead else NOT_PUBLISHED
        request = _dispatch(
            (problem.first, problem.end, problem.price_lag, problem.bids),
            price,
            np.where(series.gap, np.nan, price),
            published,
            lead,
            (self._rows(self.horizon_h, step), self._rows(self.replan_minutes / 60, step)),
            (series.intervals_per_day, self.days),
            problem.battery.energy_start_mwh,
            coarse_grid(problem.planning_battery, step),
            problem.allowance,
            new_meters(1)[0],
        )
        return np.asarray(request / step)

    def _requests_on_vintages(self, problem: DispatchProblem, ranks: Ranks) -> Array:
        series, step = problem.series, problem.series.interval_h
        grid = coarse_grid(problem.planning_battery, step)
        begin = max(problem.first - series.intervals_per_day, 0)
        span = series.start[begin], series.start[problem.end - 1]
        seen = [[self._seen(known).between(*span) for known in rank] for rank in ranks]
        rhythm = new_rhythm(series, self.horizon_h, self.replan_minutes, self.days)
        request = dispatch(
            (problem.first, problem.end, problem.bids),
            known_values(series, problem.price_lag, seen, corrects=self.unknown_price == "corrected"),
            np.array(series.price),
            rhythm,
            problem.battery.energy_start_mwh,
            grid,
            new_plan(rhythm.longest + 1, grid),
            (problem.allowance, new_meters(1)[0]),
        )
        return np.asarray(request / step)

    def _seen(self, known: ForecastVintages) -> ForecastVintages:
        return known if self.latency_h is None else known.delayed(self.latency_h)

    @staticmethod
    def _rows(hours: float, interval_h: float) -> int:
        return max(round(hours / interval_h), 1)


@nb.njit(cache=True)
def _dispatch(
    span: tuple[int, int, int, bool],
    price: Array,
    seen: Array,
    published: Array,
    lead: int,
    look: tuple[int, int],
    calendar: tuple[int, int],
    energy: float,
    grid: EnergyGrid,
    allowance: Allowance,
    meter: Array,
) -> Array:
    """Return requests in MWh; ``published`` is read up to ``lead`` rows ahead, and not at all if ``lead`` is -1.

    ``seen`` is the price, and NaN in gaps, in which the battery is idle.
    """
    (first, end, lag, bids), (horizon, replan) = span, look
    request = np.zeros(end - first)
    value, work = np.zeros((horizon + 1, grid.size)), np.empty((4, grid.size))
    ahead, planned_at = np.empty(horizon + 1), first
    for t in range(first, end):
        if t - lag < 0 or np.isnan(seen[t]):
            _, energy = deliver_within(energy, 0.0, grid.limits, t - first, allowance, meter)
            planned_at = t + 1
            continue
        if (t - planned_at) % replan == 0:
            planned_at = t
            expect_prices(ahead, t, lag, seen, published, lead, calendar)
            _plan(value, work, ahead, min(horizon, end - 1 - t), grid)
        if bids:
            request[t - first] = cleared_mwh(value[t - planned_at], energy, price[t], grid)
        else:
            newest = newest_known(seen, t - lag)
            now = price[newest]
            if lag > 0 and lead >= 0:
                now += published[t] - published[newest]  # the forecast, with its last known error
            request[t - first] = greedy_action(value[t - planned_at], energy, now, grid)
        _, energy = deliver_within(energy, request[t - first], grid.limits, t - first, allowance, meter)
    return request


@nb.njit(cache=True)
def _plan(value: Array, work: Array, ahead: Array, rows: int, grid: EnergyGrid) -> None:
    """Write the value of stored energy after the k-th row from now to ``value[k]``, for a plan of ``rows`` rows."""
    value[rows] = 0.0
    for k in range(rows, 0, -1):
        bellman_backup(value[k], value[k - 1], work, ahead[k], grid)
