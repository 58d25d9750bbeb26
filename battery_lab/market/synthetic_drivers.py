"""What drives the synthetic market: weather, demand, sun and wind, and what was seen of them a day ahead.

Every driver is the sum of news, which weather models see more than a day ahead, and surprise, which nobody sees. The
news of an interval is out ``ISSUED_STEPS`` before it; its surprise comes with the interval itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require

Array = NDArray[np.float64]
Noise = Mapping[str, Array]

STEP_MINUTES = 5  # the market is always made in these steps; a longer interval is the mean of its steps
STEP_H = STEP_MINUTES / 60
LEAD_H = 24.0
# An hour more than the lead, so that the mean over an interval of up to an hour keeps it as well.
ISSUED_H = LEAD_H + 1
ISSUED_STEPS = round(ISSUED_H / STEP_H)
YEAR_DAYS = 365.25
TILT_RAD = np.radians(23.44)


def check(group: str, rule: str, low: float, high: float, **values: float) -> None:
    """Raise ConfigError unless every value lies from ``low`` to ``high``; names are fields of ``market.<group>``."""
    for name, value in values.items():
        number = isinstance(value, int | float) and low <= value <= high
        require(number, f"market.{group}.{name}", f"must be {rule} from {low:g} to {high:g}", value)


def check_hourly(group: str, name: str, values: Sequence[float], low: float) -> None:
    """Raise ConfigError unless there are 24 powers in MW of at least ``low``."""
    require(len(values) == 24, f"market.{group}.{name}", "must have 24 values, one an hour,", len(values))
    for hour, value in enumerate(values):
        check(group, "in MW", low, 1e6, **{f"{name}[{hour}]": value})


@nb.njit(cache=True)
def fading(shock: Array, decay_h: float) -> Array:
    """Return (T,) a stationary process of unit variance whose autocorrelation fades as exp(-time / ``decay_h``)."""
    keep = np.exp(-STEP_H / decay_h)
    fresh = np.sqrt(1 - keep * keep)
    out = np.empty_like(shock)
    level = shock[0]
    out[0] = level
    for t in range(1, len(shock)):
        level = keep * level + fresh * shock[t]
        out[t] = level
    return out


class Calendar(NamedTuple):
    """Where each step stands: (T,) hour and weekday of its local day, day of its year, and its year counted from 0."""

    hour: Array
    weekday: NDArray[np.int64]
    day_of_year: Array
    year: NDArray[np.int64]

    @classmethod
    def of(cls, local: NDArray[np.datetime64]) -> Calendar:
        """Return the calendar of (T,) local times, the first of which begins a year."""
        day, year = local.astype("datetime64[D]"), local.astype("datetime64[Y]")
        return cls(
            hour=(local - day) / np.timedelta64(1, "h"),
            weekday=(day.astype(np.int64) + 3) % 7,  # day 0 was a Thursday
            day_of_year=(day - year.astype("datetime64[D]")) / np.timedelta64(1, "D"),
            year=(year - year[0]).astype(np.int64),
        )

    def profile(self, hourly: Sequence[float]) -> Array:
        """Return (T,) values between 24 hourly means, which stand at the middle of their hours."""
        return np.interp(self.hour + STEP_H / 2 - 0.5, np.arange(24), hourly, period=24)

    @property
    def summer(self) -> Array:
        """(T,) 1 at the height of the southern summer, -1 in the depth of winter."""
        return np.cos(2 * np.pi * (self.day_of_year - 20) / YEAR_DAYS)


class Spell(NamedTuple):
    """One driver of unit variance: (T,) what comes true and (T,) what was seen of it a day ahead."""

    real: Array
    seen: Array


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How weather comes and goes, and how much of it is seen a day ahead.

    Attributes:
        mean_c: mean temperature, degrees C.
        season_c: half the range between the warmest and the coldest weeks.
        day_c: half the range between afternoon and night.
        swing_c: standard deviation of warm and cold spells.
        spell_h: how long spells last, as the decay time of their autocorrelation, hours.
        surprise_h: the same for what nobody sees ahead.
        seen_share: the share of the variance of spells that is seen a day ahead.
    """

    mean_c: float
    season_c: float
    day_c: float
    swing_c: float
    spell_h: float
    surprise_h: float
    seen_share: float

    def __post_init__(self) -> None:
        ranges = {"season_c": self.season_c, "day_c": self.day_c, "swing_c": self.swing_c}
        check("weather", "in degrees C", -50, 50, mean_c=self.mean_c)
        check("weather", "in degrees C", 0, 50, **ranges)
        check("weather", "in hours", 0.1, 10_000, spell_h=self.spell_h, surprise_h=self.surprise_h)
        check("weather", "a fraction", 0, 1, seen_share=self.seen_share)

    def spell(self, noise: Noise, name: str) -> Spell:
        """Return one driver from its news and its surprise."""
        seen = np.sqrt(self.seen_share) * fading(noise[f"{name}_news"], self.spell_h)
        surprise = np.sqrt(1 - self.seen_share) * fading(noise[f"{name}_surprise"], self.surprise_h)
        return Spell(seen + surprise, seen)

    def temperature(self, calendar: Calendar, spell: Array) -> Array:
        """Return (T,) degrees C."""
        summer = calendar.summer
        day = self.day_c * (1 + 0.25 * summer) * np.cos(2 * np.pi * (calendar.hour - 15) / 24)
        return self.mean_c + self.season_c * summer + day + self.swing_c * (1 + 0.3 * summer) * spell


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What people use, before rooftop solar is taken off.

    Attributes:
        hourly_mw: 24 means by hour of a mild weekday, MW.
        weekend: factor on Saturday and Sunday.
        heating_mw_per_c: more for each degree below ``heating_below_c``.
        heating_below_c: degrees C.
        cooling_mw_per_c: more for each degree above ``cooling_above_c``.
        cooling_above_c: degrees C.
        surprise_mw: standard deviation of what no temperature explains.
        surprise_h: its decay time, hours.
    """

    hourly_mw: Sequence[float]
    weekend: float
    heating_mw_per_c: float
    heating_below_c: float
    cooling_mw_per_c: float
    cooling_above_c: float
    surprise_mw: float
    surprise_h: float

    def __post_init__(self) -> None:
        check_hourly("demand", "hourly_mw", self.hourly_mw, 0)
        slopes = {"heating_mw_per_c": self.heating_mw_per_c, "cooling_mw_per_c": self.cooling_mw_per_c}
        bounds = {"heating_below_c": self.heating_below_c, "cooling_above_c": self.cooling_above_c}
        check("demand", "a factor", 0, 10, weekend=self.weekend)
        check("demand", "in MW per degree C", 0, 1e4, **slopes)
        check("demand", "in degrees C", -50, 60, **bounds)
        check("demand", "in MW", 0, 1e6, surprise_mw=self.surprise_mw)
        check("demand", "in hours", 0.1, 10_000, surprise_h=self.surprise_h)

    def at(self, calendar: Calendar, temperature_c: Array) -> Array:
        """Return (T,) the expected demand in MW."""
        base = calendar.profile(self.hourly_mw)
        base = np.where(calendar.weekday >= 5, self.weekend, 1.0) * base
        cold = np.maximum(self.heating_below_c - temperature_c, 0.0)
        hot = np.maximum(temperature_c - self.cooling_above_c, 0.0)
        return base + self.heating_mw_per_c * cold + self.cooling_mw_per_c * hot


@dataclass(frozen=True, kw_only=True)
class Renewables:
    """Sun on roofs and farms, and wind.

    Attributes:
        latitude_deg: degrees north, so below 0; the sun's path follows from it.
        noon_hour: hour of the local day when the sun is highest.
        rooftop_mw: rooftop solar under a clear sky with the sun in the zenith, taken off demand, MW.
        farms_mw: the same for solar farms, which sell into the market.
        overcast: the share of clear-sky output that the thickest cloud leaves.
        wind_mw: installed wind power, MW.
        wind_middle: logit of the share of it that blows in middling weather.
        wind_swing: how far spells of weather move that logit.
        flicker: passing clouds, as a share of the spells of cloud.
        flicker_h: their decay time, hours.
    """

    latitude_deg: float
    noon_hour: float
    rooftop_mw: float
    farms_mw: float
    overcast: float
    wind_mw: float
    wind_middle: float
    wind_swing: float
    flicker: float
    flicker_h: float

    def __post_init__(self) -> None:
        check(
            "renewables",
            "a southern latitude (seasons are southern) in degrees",
            -66,
            0,
            latitude_deg=self.latitude_deg,
        )
        check("renewables", "an hour", 0, 24, noon_hour=self.noon_hour)
        powers = {"rooftop_mw": self.rooftop_mw, "farms_mw": self.farms_mw, "wind_mw": self.wind_mw}
        check("renewables", "in MW", 0, 1e6, **powers)
        check("renewables", "a fraction", 0, 1, overcast=self.overcast)
        check("renewables", "a number", -10, 10, wind_middle=self.wind_middle, wind_swing=self.wind_swing)
        check("renewables", "a share", 0, 10, flicker=self.flicker)
        check("renewables", "in hours", 0.01, 10_000, flicker_h=self.flicker_h)

    def clear_sky(self, calendar: Calendar) -> Array:
        """Return (T,) solar output under a clear sky as a fraction of that with the sun in the zenith.

        The sine of the sun's elevation, from latitude, declination and hour angle; a little less when it is low.
        """
        latitude = np.radians(self.latitude_deg)
        declination = -TILT_RAD * np.cos(2 * np.pi * (calendar.day_of_year + 10) / YEAR_DAYS)
        turn = np.cos(2 * np.pi * (calendar.hour + STEP_H / 2 - self.noon_hour) / 24)
        height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * turn
        return np.asarray(np.maximum(height, 0.0) ** 1.15)

    def sky(self, spell: Array) -> Array:
        """Return (T,) the share of clear-sky output that clouds leave."""
        return self.overcast + (1 - self.overcast) / (1 + np.exp(-1.3 * spell - 0.9))

    def wind(self, calendar: Calendar, spell: Array) -> Array:
        """Return (T,) wind power in MW; winter blows a little harder."""
        logit = self.wind_middle - 0.15 * calendar.summer + self.wind_swing * spell
        return self.wind_mw / (1 + np.exp(-logit))
