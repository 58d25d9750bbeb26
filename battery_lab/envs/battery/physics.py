"""Battery physics: the options of conf/battery (limits, efficiencies, caps on cycles), and how a battery delivers.

The compiled steps are in ``delivery``; no other module computes physics. Power is in MW at the grid connection,
+ discharges (sells), - charges (buys). Stored energy is in MWh inside the battery; ``soc`` is that energy as a fraction
of the capacity.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Unit, options
from battery_lab.envs.battery import delivery
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR, METER_MWH, Allowance, Ints, new_meters, whole_units
from battery_lab.envs.battery.delivery import Limits

Array = NDArray[np.float64]


@options("battery")
class Battery:
    """A grid battery.

    Attributes:
        power_mw: largest power at the grid connection, charging and discharging.
        capacity_mwh: stored energy when full (soc 1).
        soc_min: soc at which discharging stops, a fraction of capacity.
        soc_max: soc at which charging stops, a fraction of capacity.
        soc_start: soc at the start of an evaluated period, a fraction of capacity.
        round_trip_efficiency: MWh sold per MWh bought, a fraction.
        charge_loss_share: share of the round-trip loss that falls on charging. 0.5 splits it evenly (each side loses
            the square root), 1 puts all of it on charging, 0 all on discharging.
        wear_per_mwh: wear cost per MWh discharged at the grid connection, in the market's currency.
        wear_per_mwh_charged: wear cost per MWh charged at the grid connection, in the market's currency.
        max_cycles_per_day: cap on discharged energy per day of the market's local clock, in multiples of the capacity;
            None: no cap.
        max_cycles_per_year: cap on discharged energy per 365 days of an evaluated stretch or a training episode, in
            multiples of the capacity; pro rata for a shorter stretch, and none may be longer. None: no cap.
        self_discharge_per_day: fraction of stored energy that an idle battery loses per day.
        grid_fee_per_mwh: network charge per MWh bought, in the market's currency.
    """

    power_mw: Annotated[float, Field(gt=0), Highest(1_000_000), Unit("MW")]
    capacity_mwh: Annotated[float, Field(gt=0), Highest(10_000_000), Unit("MWh")]
    soc_min: Annotated[float, Field(ge=0, lt=1)]
    soc_max: Annotated[float, Field(gt=0, le=1)]
    soc_start: Annotated[float, Field(ge=0, le=1)]
    round_trip_efficiency: Annotated[float, Field(gt=0, le=1)]
    charge_loss_share: Annotated[float, Field(ge=0, le=1)]
    wear_per_mwh: Annotated[float, Field(ge=0), Highest(1_000_000)]
    wear_per_mwh_charged: Annotated[float, Field(ge=0), Highest(1_000_000)]
    max_cycles_per_day: Annotated[float, Field(gt=0), Highest(10_000)] | None
    max_cycles_per_year: Annotated[float, Field(gt=0), Highest(1_000_000)] | None
    self_discharge_per_day: Annotated[float, Field(ge=0, lt=1)]
    grid_fee_per_mwh: Annotated[float, Field(ge=0), Highest(1_000_000)]

    def __post_init__(self) -> None:
        rule = f"must be greater than battery.soc_min = {self.soc_min} and at most 1"
        require(self.soc_min < self.soc_max, "battery.soc_max", rule, self.soc_max)
        rule = f"must be from battery.soc_min = {self.soc_min} to battery.soc_max = {self.soc_max}"
        require(self.soc_min <= self.soc_start <= self.soc_max, "battery.soc_start", rule, self.soc_start)

        for name in ("max_cycles_per_day", "max_cycles_per_year"):
            cap, least = getattr(self, name), METER_MWH / self.capacity_mwh
            rule = f"must be null or at least {least:.3g}, the smallest use that the meter of this capacity counts"
            require(cap is None or cap >= least, f"battery.{name}", rule, cap)

    @property
    def charge_efficiency(self) -> float:
        """MWh stored per MWh bought."""
        return float(self.round_trip_efficiency**self.charge_loss_share)

    @property
    def discharge_efficiency(self) -> float:
        """MWh sold per MWh taken from storage."""
        return float(self.round_trip_efficiency ** (1 - self.charge_loss_share))

    @property
    def energy_min_mwh(self) -> float:
        """Stored energy at ``soc_min``, MWh."""
        return self.soc_min * self.capacity_mwh

    @property
    def energy_max_mwh(self) -> float:
        """Stored energy at ``soc_max``, MWh."""
        return self.soc_max * self.capacity_mwh

    @property
    def energy_start_mwh(self) -> float:
        """Stored energy at ``soc_start``, MWh."""
        return self.soc_start * self.capacity_mwh

    @property
    def has_caps(self) -> bool:
        """Whether cycles are capped."""
        return self.max_cycles_per_day is not None or self.max_cycles_per_year is not None

    def allowance(self, day: Ints, interval_h: float, intervals: int | None = None) -> Allowance:
        """Return the caps on a stretch of market time.

        Args:
            day: (T,) number of the local day of each interval.
            interval_h: length of an interval, hours.
            intervals: length of the stretch that the yearly cap is pro rata to; T if None.

        Raises:
            ValueError: there is a yearly cap, and the stretch is longer than 365 days.
        """
        days = (len(day) if intervals is None else intervals) * interval_h / 24
        of_day, of_year = self.max_cycles_per_day, self.max_cycles_per_year
        if of_year is not None and days > DAYS_PER_YEAR + 1e-6:
            raise ValueError(
                f"battery.max_cycles_per_year holds for stretches of at most {DAYS_PER_YEAR} days, got {days:.1f} days"
            )
        return Allowance(
            day=np.array(day, np.int64),
            day_mwh=np.inf if of_day is None else self._whole_cycles(of_day),
            stretch_mwh=np.inf if of_year is None else self._whole_cycles(of_year * days / DAYS_PER_YEAR),
            year_mwh=np.inf if of_year is None else self._whole_cycles(of_year),
            interval_years=interval_h / 24 / DAYS_PER_YEAR,
        )

    def _whole_cycles(self, cycles: float) -> float:
        return max(whole_units(cycles * self.capacity_mwh), METER_MWH)

    def priced(self, throughput_price: float) -> Battery:
        """Return the battery without caps, with a price per MWh discharged added to its wear, to plan with."""
        if not self.has_caps:
            return self
        wear = self.wear_per_mwh + throughput_price
        return replace(self, wear_per_mwh=wear, max_cycles_per_day=None, max_cycles_per_year=None)

    def limits(self, interval_h: float) -> Limits:
        """Return the limits over one dispatch interval, for compiled code."""
        return _limits(self, interval_h)

    def step(self, energy_mwh: Array, request_mw: Array, interval_h: float) -> tuple[Array, Array]:
        """Run one dispatch interval for many batteries at once.

        Args:
            energy_mwh: (N,) stored energy at the start.
            request_mw: (N,) requested power, + discharges.
            interval_h: length of the interval, hours.

        Returns:
            (N,) delivered power in MW and (N,) stored energy at the end in MWh. A request beyond a limit is delivered
            in part; stored energy never overshoots a limit.
        """
        energy, request = np.asarray(energy_mwh, np.float64), np.asarray(request_mw, np.float64)
        power, after = delivery.step(energy, request, interval_h, self.limits(interval_h))
        return power, after

    def step_within(
        self, energy_mwh: Array, request_mw: Array, interval_h: float, row: Ints, allowance: Allowance, meters: Array
    ) -> tuple[Array, Array]:
        """Run one dispatch interval for many batteries with caps on cycles; see ``step``.

        Args:
            energy_mwh: (N,) stored energy at the start.
            request_mw: (N,) requested power, + discharges.
            interval_h: length of the interval, hours.
            row: (N,) the interval of each battery, a row of ``allowance.day``.
            allowance: the caps.
            meters: (N, 3) meters, see ``new_meters``; updated.
        """
        energy, request = np.asarray(energy_mwh, np.float64), np.asarray(request_mw, np.float64)
        limits = self.limits(interval_h)
        power, after = delivery.step_within(energy, request, interval_h, limits, row, allowance, meters)
        return power, after

    def run(
        self,
        request_mw: Array,
        interval_h: float,
        energy_mwh: float | None = None,
        allowance: Allowance | None = None,
    ) -> tuple[Array, Array]:
        """Run one battery through a schedule of requests.

        Args:
            request_mw: (T,) requested power in each interval, + discharges.
            interval_h: length of an interval, hours.
            energy_mwh: stored energy at the start; ``energy_start_mwh`` if None.
            allowance: the caps on cycles; a battery with caps needs it.

        Returns:
            (T,) delivered power in MW and (T + 1,) stored energy in MWh; the first value precedes the first interval.

        Raises:
            ValueError: the battery has caps on cycles and ``allowance`` is missing, or is of another length.
        """
        start = self.energy_start_mwh if energy_mwh is None else energy_mwh
        request = np.asarray(request_mw, np.float64) * interval_h
        if not self.has_caps:
            delivered, stored = delivery.run(start, request, self.limits(interval_h))
        elif allowance is None or len(allowance.day) != len(request):
            raise ValueError("a battery with caps on cycles needs an allowance with the day of every interval")
        else:
            delivered, stored = delivery.run_within(
                start, request, self.limits(interval_h), allowance, new_meters(1)[0]
            )
        return delivered / interval_h, stored


@lru_cache(maxsize=64)
def _limits(battery: Battery, interval_h: float) -> Limits:
    """Return the limits over one interval; cached, as every training step needs them."""
    return Limits(
        power_mwh=battery.power_mw * interval_h,
        energy_min_mwh=battery.energy_min_mwh,
        energy_max_mwh=battery.energy_max_mwh,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        retention=float((1 - battery.self_discharge_per_day) ** (interval_h / 24)),
    )
