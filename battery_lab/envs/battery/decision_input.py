"""Decision input: what is known when one interval is dispatched, for decision functions of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.forecasts.forecast_vintages import Vintage
from battery_lab.market.forecasts.future_values import known_end
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]


class KnownColumn(NamedTuple):
    """The known values of a column, oldest first; read-only.

    Attributes:
        start: (K,) datetime64[s], UTC, start of each value's interval.
        values: (K,) values.
    """

    start: NDArray[np.datetime64]
    values: Array


class DecisionInput(NamedTuple):
    """What is known when an interval is dispatched.

    Attributes:
        start: start of the interval, datetime64[s], UTC.
        hour: its hour of the local day, from 0 to less than 24.
        weekday: its local day of the week; Monday is 0.
        time_zone: IANA name of the local clock.
        interval_h: length of an interval, hours.
        price: known prices, currency per MWh. The last one is that of the interval (``env.price_lag=0``) or of the
            interval before (``env.price_lag=1``, and bids), or the last one that is published, if prices are published
            ahead.
        columns: known values of the market's other columns, by name. A measured column ends where the price does; a
            column that is published ahead ends with the last interval that is published.
        soc: state of charge at the start of the interval, a fraction of capacity.
        energy_mwh: stored energy at the start of the interval.
        battery: its limits, efficiencies and costs.
        forecasts: the newest vintage of each forecast of the market, by name; without those of which none is published.
    """

    start: np.datetime64
    hour: float
    weekday: int
    time_zone: str
    interval_h: float
    price: KnownColumn
    columns: Mapping[str, KnownColumn]
    soc: float
    energy_mwh: float
    battery: Battery
    forecasts: Mapping[str, Vintage]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionInputs:
    """The decision inputs of all rows of a series.

    Attributes:
        series: the market.
        battery: the battery.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        hour: (T,) hour of the local day.
        weekday: (T,) local day of the week.
    """

    series: MarketSeries
    battery: Battery
    price_lag: int
    hour: Array
    weekday: NDArray[np.int64]

    @classmethod
    def of(cls, series: MarketSeries, battery: Battery, price_lag: int) -> DecisionInputs:
        """Return the inputs of a series."""
        return cls(series=series, battery=battery, price_lag=price_lag, hour=series.hour, weekday=series.weekday)

    def __call__(self, row: int, energy_mwh: float) -> DecisionInput:
        """Return the input of one row at a stored energy."""
        series = self.series
        return DecisionInput(
            start=series.start[row],
            hour=float(self.hour[row]),
            weekday=int(self.weekday[row]),
            time_zone=series.time_zone,
            interval_h=series.interval_h,
            price=self._known("price", row),
            columns={name: self._known(name, row) for name in series.columns},
            soc=energy_mwh / self.battery.capacity_mwh,
            energy_mwh=energy_mwh,
            battery=self.battery,
            forecasts=self._vintages(series.start[row]),
        )

    def _vintages(self, start: np.datetime64) -> dict[str, Vintage]:
        newest = {name: known.as_of(start) for name, known in self.series.forecasts.items()}
        return {name: vintage for name, vintage in newest.items() if vintage is not None}

    def _known(self, column: str, row: int) -> KnownColumn:
        end = known_end(self.series, column, row, self.price_lag)
        return KnownColumn(self._start[:end], self._values[column][:end])

    @cached_property
    def _start(self) -> NDArray[np.datetime64]:
        return _read_only(self.series.start)

    @cached_property
    def _values(self) -> dict[str, Array]:
        columns = {"price": self.series.price, **self.series.columns}
        return {name: _read_only(values) for name, values in columns.items()}


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view
