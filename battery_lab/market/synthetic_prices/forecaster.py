"""Forecaster of the synthetic market: the price of a coming interval as seen some time before it.

A forecast is made at a step from what is known by then, and from news of the coming steps, which arrives in time:

- The power needed from plants at step s is seen at step t as that of s, less errors. Each error is a fading process of
  unit variance, of which the forecaster does not know the shocks from t on, and so grows with the time from t to s.
  The same shocks are in the forecasts of neighbouring steps, and are corrected in all of them once they are known.
- Offers that change within the hour are expected to fade as they do. Jumps of single intervals are never seen.
- A burst is seen some time ahead with some probability. Once it has started, each is expected to last as bursts do.
- False alarms look like bursts that are seen ahead. They are withdrawn before they begin, or when they do not.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Unit, options
from battery_lab.market.synthetic_prices.bursts import Bursts
from battery_lab.market.synthetic_prices.drivers import (
    STEP_H,
    Array,
    Fraction,
    Noise,
    ShortDecayTime,
    Spread,
    fading,
)

Steps = NDArray[np.int64]
# (T,) processes of errors, MW, and their decay times, hours.
Errors = list[tuple[Array, float]]
Hours = Annotated[float, Field(ge=0, le=1000), Unit("hours")]


class Alarms(NamedTuple):
    """(T,) bursts of one direction as a forecaster sees them, by the step that they are forecast for.

    Attributes:
        size: size in the forecast, currency per MWh; 0 where there is none.
        since: first step at which the forecast shows it.
        until: last step at which the forecast shows it.
    """

    size: Array
    since: Steps
    until: Steps


class BurstView(NamedTuple):
    """Bursts of one direction: those seen ahead, false alarms, and (T,) sizes as they happen, 0 where there is none."""

    direction: float
    ends: float
    seen: Alarms
    false: Alarms
    real: Array

    def excess(self, at: Steps, step: Steps, curve: Array) -> Array:
        """Return what the bursts seen at (N,) steps add to the (N,) prices of the curve at (N,) later steps."""
        usual = self.direction * curve
        size = usual
        for alarms in (self.seen, self.false):
            shown = (alarms.since[step] <= at) & (at <= alarms.until[step])
            size = np.maximum(size, np.where(shown, alarms.size[step], -np.inf))
        started = np.where(at > 0, self.real[at - 1], 0.0)
        lasts = (1 - self.ends) ** (step - at + 1.0)
        size = np.maximum(size, np.where(started > 0, usual + lasts * np.maximum(started - usual, 0.0), -np.inf))
        return np.asarray(self.direction * (size - usual))

    def may_show(self) -> NDArray[np.bool_]:
        """Return (T,) whether a forecast for a step may have a burst that is seen ahead or false."""
        return (self.seen.size > 0) | (self.false.size > 0)


@options("market.forecaster")
class Forecaster:
    """How the forecasts of ``market.vintages`` err.

    Attributes:
        slow_mw: standard deviation of the slow error of the power needed from plants, long before an interval, MW.
        slow_h: its decay time, hours.
        slow_in_p5min: fraction of the slow error that ``p5min`` has, too.
        fast_mw: standard deviation of the fast error, MW.
        fast_h: its decay time, hours.
        seen_spikes: fraction of the spikes that are seen ahead.
        seen_plunges: fraction of the plunges that are seen ahead.
        seen_h: mean time from when such a burst is first seen to when it begins, hours.
        late_h: how much later than it does such a burst is forecast to begin, in the mean, hours.
        size_error: standard deviation of the logarithm of the size of a burst that is seen ahead.
        false_alarms: false alarms per burst seen ahead.
        withdrawn_h: mean time from when a false alarm is withdrawn to when it would begin, hours.
    """

    slow_mw: Spread
    slow_h: ShortDecayTime
    slow_in_p5min: Fraction
    fast_mw: Spread
    fast_h: ShortDecayTime
    seen_spikes: Fraction
    seen_plunges: Fraction
    seen_h: Hours
    late_h: Hours
    size_error: Annotated[float, Field(ge=0, le=10)]
    false_alarms: Annotated[float, Field(ge=0, le=100)]
    withdrawn_h: Hours

    def errors(self, noise: Noise) -> Errors:
        """Return the errors of ``predispatch``."""
        slow, fast = fading(noise["slow_error"], self.slow_h), fading(noise["fast_error"], self.fast_h)
        return [(self.slow_mw * slow, self.slow_h), (self.fast_mw * fast, self.fast_h)]

    def p5min_errors(self, errors: Errors) -> Errors:
        """Return the errors of ``p5min`` from those of ``predispatch``."""
        (slow, slow_h), fast = errors
        return [(self.slow_in_p5min * slow, slow_h), fast]

    def view(self, bursts: Bursts, rate: Array, real: Array, noise: Noise) -> BurstView:
        """Return how bursts are seen.

        Args:
            bursts: the option of the market that makes them.
            rate: (T,) expected number of new bursts per hour.
            real: (T,) sizes as they happen, currency per MWh.
            noise: of the forecasts.
        """
        group, steps = bursts.group, np.arange(len(real))
        begin = _begin(real)
        share = self.seen_spikes if group == "spikes" else self.seen_plunges
        ahead = (real > 0) & (noise[f"{group}_seen_chance"][begin] < share)
        size = real * np.exp(self.size_error * noise[f"{group}_error"][begin])
        since = begin - _steps(self.seen_h * noise[f"{group}_lead_size"][begin])
        late = steps < begin + _steps(self.late_h * noise[f"{group}_late_size"][begin])
        since = np.where(late, np.maximum(since, begin + 1), since)
        seen = Alarms(np.where(ahead, size, 0.0), np.where(ahead, since, len(real)), steps)
        alarms = {f"{group}_{part}": noise[f"{group}_alarm_{part}"] for part in ("chance", "size", "wobble")}
        false = bursts.sizes(self.false_alarms * share * rate, alarms)
        begin = _begin(false)
        since = begin - _steps(self.seen_h * noise[f"{group}_alarm_lead_size"][begin])
        until = begin - _steps(self.withdrawn_h * noise[f"{group}_alarm_withdrawn_size"][begin])
        return BurstView(
            direction=bursts.direction,
            ends=STEP_H / bursts.last_h,
            seen=seen,
            false=Alarms(false, np.where(false > 0, since, len(real)), until),
            real=real,
        )


def _begin(size: Array) -> Steps:
    """Return the (T,) step at which the burst of each step begins; the step itself where there is none."""
    steps = np.arange(len(size))
    fresh = (size > 0) & np.r_[True, size[:-1] <= 0]
    begin = np.maximum.accumulate(np.where(fresh, steps, 0))
    return np.where(size > 0, begin, steps)


def _steps(hours: Array) -> Steps:
    return np.floor(hours / STEP_H).astype(np.int64)
