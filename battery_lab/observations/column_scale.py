"""Scale of a market column: an optional asinh, then standardisation, fitted to the training period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from battery_lab.market.forecasts.newest_vintages import NewestVintages, ranked_products
from battery_lab.market.market_series import MarketSeries

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnScale:
    """The scaling of one market column: an optional asinh, then standardisation.

    Attributes:
        squash: values become asinh(value / squash), which keeps price spikes usable; 0 leaves them unchanged.
        mean: subtracted after the asinh.
        std: divisor after the asinh.
    """

    squash: float
    mean: float
    std: float

    @classmethod
    def fit(cls, values: Array, *, squashed: bool) -> ColumnScale:
        """Fit the scale to (T,) training values; ``squash`` is their median magnitude."""
        squash = max(float(np.median(np.abs(values))), 1e-6) if squashed else 0.0
        shaped = np.arcsinh(values / squash) if squashed else values
        return cls(squash, float(shaped.mean()), max(float(shaped.std()), 1e-6))

    def apply(self, values: Array) -> Array:
        """Return (T,) scaled values."""
        shaped = np.arcsinh(values / self.squash) if self.squash else values
        return (shaped - self.mean) / self.std

    def restore(self, scaled: Array) -> Array:
        """Return the (T,) values whose scaled values are given."""
        shaped = scaled * self.std + self.mean
        return np.asarray(np.sinh(shaped) * self.squash) if self.squash else shaped


def fit_scales(training: MarketSeries) -> dict[str, ColumnScale]:
    """Fit the scale of each column to the training period; columns whose name begins with ``price`` get the asinh.

    Gaps do not count, as the values in them are repeated ones. What is only forecast, and no column, is scaled by what
    its newest vintages say of the interval to come.
    """
    columns = {"price": training.price, **training.columns}
    scales = {
        name: ColumnScale.fit(values[~training.gap], squashed=name.startswith("price"))
        for name, values in columns.items()
    }
    for quantity in sorted({known.quantity for known in training.forecasts.values()} - set(columns)):
        newest = NewestVintages(ranked_products(training, quantity, None, "observation"), training.start)
        values = newest.mean(0.0, training.interval_h)
        values = values[np.isfinite(values)]
        scales[quantity] = ColumnScale.fit(values if len(values) else np.zeros(1), squashed=False)
    return scales
