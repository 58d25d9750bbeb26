"""Observation sets: the columns of several features, standardised with scales from the training period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Rule, Unit, options
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.layout import Layout
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.column_scale import fit_scales
from battery_lab.observations.feature import Block, Feature
from battery_lab.observations.fitted_scales import Scaling
from battery_lab.observations.look_ahead_check import refuse_look_ahead
from battery_lab.observations.market_history import History
from battery_lab.observations.observer import CAPS_LEFT, Observer, Table

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
CHUNK_ROWS = 2048  # rows that are standardised at a time, so that they stay in the processor's cache


@options("observation")
class ObservationSet:
    """An option of conf/observation.

    Attributes:
        soc: ``level`` gives the state of charge from -1 (minimum) to 1 (maximum); ``level_and_limits`` adds a number
            that is 1 when full, -1 when empty and 0 between.
        cap_left: whether to add two numbers on caps on cycles: the fraction left of the day's (1 without a cap), and
            what was saved against a steady use since the stretch or the episode began, as a fraction of the year's
            (negative: used more; 0 without a cap).
        clip: standardised features are clipped to +- this many standard deviations.
        features: the features of the market by a name of your choice, in the order of their columns.
    """

    soc: Literal["level", "level_and_limits"]
    cap_left: bool
    clip: Annotated[float, Field(ge=1, le=1000), Unit("standard deviations")]
    features: Annotated[
        Mapping[str, Annotated[Feature, Rule("a feature with a _target_, look_back_h and build")]], Field(min_length=1)
    ]

    @property
    def look_back_h(self) -> float:
        """Hours of history that an observation needs."""
        return max(feature.look_back_h for feature in self.features.values())

    def fit(self, training: MarketSeries, price_lag: int) -> Scaling:
        """Fit all scales to the training period.

        Raises:
            ConfigError: a feature looks ahead, or needs a column that the market does not have.
        """
        columns = fit_scales(training)
        refuse_look_ahead(self.features, training, price_lag, columns)
        blocks = self._blocks(History(training, price_lag, columns))
        # Row by row in memory, as the order of their sums depends on it.
        parts = [np.ascontiguousarray(part) for part in _table_parts(blocks)]
        mean, std = ([row for part in parts for row in of(part, axis=0)] for of in (np.mean, np.std))
        return Scaling(columns=columns, mean=np.asarray(mean), std=np.maximum(std, 1e-3))

    def build(self, series: MarketSeries, price_lag: int, scaling: Scaling, battery: Battery) -> Observer:
        """Precompute the observations of a whole series.

        Raises:
            ConfigError: the market does not have a column that a feature needs.
        """
        return Observer(self.tabulate(series, price_lag, scaling), battery, self.soc, self.cap_left)

    def tabulate(self, series: MarketSeries, price_lag: int, scaling: Scaling) -> Table:
        """Compute the numbers of observations that do not depend on the battery.

        Raises:
            ConfigError: the market does not have a column that a feature needs.
        """
        blocks = self._blocks(History(series, price_lag, scaling.columns))
        parts = _table_parts(blocks)
        width, fitted = sum(part.shape[1] for part in parts), len(scaling.mean)
        rule = f"must give as many features as the scaling was fitted to, {fitted}"
        require(width == fitted, "observation.features", rule, width)
        scaled = self._scaled(parts, scaling, len(series))
        window = next((np.asarray(b.values, np.float32) for b in blocks if b.window), None)
        return Table(layout=self._layout(blocks), values=scaled, window=window)

    def prices(self, scaled: Array, observer: Observer, scaling: Scaling) -> Array:
        """Return the prices that the observed last price stands for, currency per MWh.

        Args:
            scaled: values of the number ``observer.price_number``; infinite prices stand for values that are clipped.
            observer: an observer of this set.
            scaling: the scales that it was built with.
        """
        place, scale = observer.price_number - observer.state_numbers, scaling.columns["price"]
        if place >= len(scaling.mean):  # the last number of a window, which is scaled once
            return scale.restore(scaled)
        prices = scale.restore(scaled * scaling.std[place] + scaling.mean[place])
        return np.where(np.abs(scaled) < self.clip, prices, np.copysign(np.inf, scaled))

    def observed_prices(self, column: Array, observer: Observer, scaling: Scaling) -> Array:
        """Return what the observed last price is for prices on the scale of the column; see ``prices``."""
        place = observer.price_number - observer.state_numbers
        return column if place >= len(scaling.mean) else (column - scaling.mean[place]) / scaling.std[place]

    def _scaled(self, parts: Sequence[Array], scaling: Scaling, rows: int) -> Float32:
        """Return (T, W) standardised features."""
        scaled = np.empty((rows, len(scaling.mean)), np.float32)
        first = 0
        for part in parts:
            columns = slice(first, first := first + part.shape[1])
            mean, std = scaling.mean[columns], scaling.std[columns]
            for row in range(0, rows, CHUNK_ROWS):
                chunk = (part[row : row + CHUNK_ROWS] - mean) / std
                scaled[row : row + CHUNK_ROWS, columns] = chunk.clip(-self.clip, self.clip, out=chunk)
        return scaled

    def _blocks(self, history: History) -> list[Block]:
        built = {name: feature.build(history) for name, feature in self.features.items()}
        blocks = [_checked(name, block, history) for name, block in built.items() if block is not None]
        windows = [block for block in blocks if block.window]
        require(len(windows) <= 1, "observation.features", "must have at most one Window", len(windows))
        return blocks

    def _layout(self, blocks: Sequence[Block]) -> Layout:
        level = ("usable soc, -1 to 1",)
        soc = level if self.soc == "level" else (*level, "at a soc limit, -1 or 1")
        state = (*soc, *(CAPS_LEFT if self.cap_left else ()))
        names = state + tuple(name for block in blocks if not block.window for name in block.names)
        window = tuple(name for block in blocks if block.window for name in block.names)
        return Layout(names=names + window, window_first=len(names), window_size=len(window))


def _checked(name: str, block: Block, history: History) -> Block:
    """Return a feature's block, which compiled code reads without further checks."""
    expected, shape = (len(history), len(block.names)), np.shape(block.values)
    rule = f"must return one row per interval and one column per name, {expected[0]} and {expected[1]}"
    require(shape == expected, f"observation.features.{name}", rule, shape)
    return block


def _table_parts(blocks: Sequence[Block]) -> list[Array]:
    """Return the blocks that are not a window; side by side they are the table."""
    return [np.asarray(block.values, np.float64) for block in blocks if not block.window]
