"""Drivers of the synthetic market: weather, demand, solar and wind power, as they happen and as seen a day ahead.

Each driver is the sum of two processes. *News* is visible to weather models more than a day ahead: the news of an
interval is out ``ISSUED_STEPS`` before it. *Surprise* is visible to nobody before the interval itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import Rule, Unit, options

Array = NDArray[np.float64]
Noise = Mapping[str, Array]

STEP_MINUTES = 5  # the market is always simulated in these steps; a longer interval is the mean of its steps
STEP_H = STEP_MINUTES / 60
LEAD_H = 24.0
# One hour more than the lead, so that the mean over an interval of up to an hour keeps the lead too.
ISSUED_H = LEAD_H + 1
ISSUED_STEPS = round(ISSUED_H / STEP_H)
YEAR_DAYS = 365.25
TILT_RAD = np.radians(23.44)

Power = Annotated[float, Field(ge=0, le=1_000_000), Unit("MW")]
SignedPower = Annotated[float, Field(ge=-100_000, le=100_000), Unit("MW")]
Spread = Annotated[float, Field(ge=0, le=100_000), Unit("MW")]
DecayTime = Annotated[float, Field(ge=0.1, le=10_000), Unit("hours")]
ShortDecayTime = Annotated[float, Field(ge=0.01, le=10_000), Unit("hours")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Swing = Annotated[float, Field(ge=0, le=50), Unit("degrees C")]
Slope = Annotated[float, Field(ge=0, le=10_000), Unit("MW per degree C")]
Threshold = Annotated[float, Field(ge=-50, le=60), Unit("degrees C")]
Logit = Annotated[float, Field(ge=-10, le=10)]
HourlyPower = Annotated[Sequence[Power], Field(min_length=24, max_length=24)]
SOUTHERN = Rule("a southern latitude, because the seasons are southern, from -66 to 0 degrees")


@nb.njit(cache=True)
def fading(shock: Array, decay_h: float) -> Array:
    """Return a (T,) stationary process of unit variance with autocorrelation exp(-time / ``decay_h``)."""
    keep = np.exp(-STEP_H / decay_h)
    fresh = np.sqrt(1 - keep * keep)
    out = np.empty_like(shock)
    level = shock[0]
    out[0] = level
    for t in range(1, len(shock)):
        level = keep * level + fresh * shock[t]
        out[t] = level
    return out


class LocalTime(NamedTuple):
    """(T,) local time of each step: hour and weekday, day of the year, and year counted from 0."""

    hour: Array
    weekday: NDArray[np.int64]
    day_of_year: Array
    year: NDArray[np.int64]

    @classmethod
    def of(cls, local: NDArray[np.datetime64]) -> LocalTime:
        """Return the local time of (T,) time stamps, the first of which begins a year."""
        day, year = local.astype("datetime64[D]"), local.astype("datetime64[Y]")
        return cls(
            hour=(local - day) / np.timedelta64(1, "h"),
            weekday=(day.astype(np.int64) + 3) % 7,  # day 0 was a Thursday
            day_of_year=(day - year.astype("datetime64[D]")) / np.timedelta64(1, "D"),
            year=(year - year[0]).astype(np.int64),
        )

    def profile(self, hourly: Sequence[float]) -> Array:
        """Return (T,) values interpolated between 24 hourly means at the middle of their hours."""
        return np.interp(self.hour + STEP_H / 2 - 0.5, np.arange(24), hourly, period=24)

    @property
    def summer(self) -> Array:
        """(T,) season: 1 in the middle of the southern summer, -1 in the middle of winter."""
        return np.cos(2 * np.pi * (self.day_of_year - 20) / YEAR_DAYS)


class Spell(NamedTuple):
    """One driver of unit variance: (T,) as it happens and (T,) as it was seen a day ahead."""

    real: Array
    seen: Array


@options("market.weather")
class Weather:
    """Spells of weather, and how much of them is seen a day ahead.

    Attributes:
        mean_c: mean temperature, degrees C.
        season_c: half the range between the warmest and the coldest weeks, degrees C.
        day_c: half the range between afternoon and night, degrees C.
        swing_c: standard deviation of warm and cold spells, degrees C.
        spell_h: decay time of the autocorrelation of spells, hours.
        surprise_h: decay time of the part that is not seen ahead, hours.
        seen_share: fraction of the variance of spells that is seen a day ahead.
    """

    mean_c: Annotated[float, Field(ge=-50, le=50), Unit("degrees C")]
    season_c: Swing
    day_c: Swing
    swing_c: Swing
    spell_h: DecayTime
    surprise_h: DecayTime
    seen_share: Fraction

    def spell(self, noise: Noise, name: str) -> Spell:
        """Return one driver from its news and its surprise."""
        seen = np.sqrt(self.seen_share) * fading(noise[f"{name}_news"], self.spell_h)
        surprise = np.sqrt(1 - self.seen_share) * fading(noise[f"{name}_surprise"], self.surprise_h)
        return Spell(seen + surprise, seen)

    def temperature(self, time: LocalTime, spell: Array) -> Array:
        """Return the (T,) temperature, degrees C."""
        summer = time.summer
        day = self.day_c * (1 + 0.25 * summer) * np.cos(2 * np.pi * (time.hour - 15) / 24)
        return self.mean_c + self.season_c * summer + day + self.swing_c * (1 + 0.3 * summer) * spell


@options("market.demand")
class Demand:
    """Electricity demand before rooftop solar is subtracted.

    Attributes:
        hourly_mw: 24 hourly means of a mild weekday, MW.
        weekend: factor on Saturday and Sunday.
        heating_mw_per_c: increase for each degree below ``heating_below_c``, MW.
        heating_below_c: degrees C.
        cooling_mw_per_c: increase for each degree above ``cooling_above_c``, MW.
        cooling_above_c: degrees C.
        surprise_mw: standard deviation of what temperature does not explain, MW.
        surprise_h: its decay time, hours.
    """

    hourly_mw: HourlyPower
    weekend: Annotated[float, Field(ge=0, le=10)]
    heating_mw_per_c: Slope
    heating_below_c: Threshold
    cooling_mw_per_c: Slope
    cooling_above_c: Threshold
    surprise_mw: Power
    surprise_h: DecayTime

    def at(self, time: LocalTime, temperature_c: Array) -> Array:
        """Return the (T,) expected demand, MW."""
        base = time.profile(self.hourly_mw)
        base = np.where(time.weekday >= 5, self.weekend, 1.0) * base
        cold = np.maximum(self.heating_below_c - temperature_c, 0.0)
        hot = np.maximum(temperature_c - self.cooling_above_c, 0.0)
        return base + self.heating_mw_per_c * cold + self.cooling_mw_per_c * hot


@options("market.renewables")
class Renewables:
    """Rooftop solar, solar farms and wind power.

    Attributes:
        latitude_deg: latitude, degrees north (negative); it determines the path of the sun.
        noon_hour: hour of the local day when the sun is highest.
        rooftop_mw: rooftop solar under a clear sky with the sun in the zenith, MW; it reduces demand.
        farms_mw: output of solar farms under the same conditions, MW; it is sold to the market.
        overcast: fraction of the clear-sky output under the thickest cloud.
        wind_mw: installed wind power, MW.
        wind_middle: logit of the mean share of installed wind power.
        wind_swing: change of that logit per standard deviation of wind spells.
        flicker: amplitude of passing clouds relative to spells of cloud.
        flicker_h: their decay time, hours.
    """

    latitude_deg: Annotated[float, Field(ge=-66, le=0), SOUTHERN]
    noon_hour: Annotated[float, Field(ge=0, le=24), Unit("hours")]
    rooftop_mw: Power
    farms_mw: Power
    overcast: Fraction
    wind_mw: Power
    wind_middle: Logit
    wind_swing: Logit
    flicker: Annotated[float, Field(ge=0, le=10)]
    flicker_h: ShortDecayTime

    def clear_sky(self, time: LocalTime) -> Array:
        """Return (T,) solar output under a clear sky, as a fraction of the output with the sun in the zenith.

        It is the sine of the solar elevation, from latitude, declination and hour angle, to the power of 1.15, which
        lowers the output of a low sun.
        """
        latitude = np.radians(self.latitude_deg)
        declination = -TILT_RAD * np.cos(2 * np.pi * (time.day_of_year + 10) / YEAR_DAYS)
        turn = np.cos(2 * np.pi * (time.hour + STEP_H / 2 - self.noon_hour) / 24)
        height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * turn
        return np.asarray(np.maximum(height, 0.0) ** 1.15)

    def sky(self, spell: Array) -> Array:
        """Return the (T,) fraction of the clear-sky output that remains under clouds."""
        return self.overcast + (1 - self.overcast) / (1 + np.exp(-1.3 * spell - 0.9))

    def wind(self, time: LocalTime, spell: Array) -> Array:
        """Return (T,) wind power, MW; there is slightly more wind in winter."""
        logit = self.wind_middle - 0.15 * time.summer + self.wind_swing * spell
        return self.wind_mw / (1 + np.exp(-logit))
