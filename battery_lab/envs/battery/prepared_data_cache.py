"""Prepared data cache: what a world computes from its prices before training, kept on disk for the next start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from battery_lab.common.array_cache import cached_array
from battery_lab.common.cache_keys_and_cleanup import cache_folder, key_of
from battery_lab.envs.battery.baseline_cache import CODE
from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.fitted_scales import Scaling
from battery_lab.observations.observation_cache import ObservationCache
from battery_lab.observations.observer import Observer
from battery_lab.planning.hindsight_value import HindsightValue, hindsight

if TYPE_CHECKING:
    from battery_lab.envs.battery.environment import BatteryMarket


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Scales, observations and perfect-foresight values of one environment on one series.

    Attributes:
        option: the parameters of the environment.
        series: the whole market series.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
    """

    option: BatteryMarket
    series: MarketSeries
    price_lag: int

    def scaling(self, training: MarketSeries) -> Scaling:
        """Return the observation scales, fitted on the training period."""
        fit = partial(self.option.observation.fit, training, self.price_lag)
        return self._observations.scaling(len(training), fit)

    def observer(self, scaling: Scaling) -> Observer:
        """Return an observer of the whole series."""
        option = self.option
        tabulate = partial(option.observation.tabulate, self.series, self.price_lag, scaling)
        table = self._observations.table(scaling, tabulate)
        return Observer(table, option.battery, option.observation.soc, option.observation.cap_left)

    def hindsight(self, training: MarketSeries, battery: Battery) -> HindsightValue:
        """Return the perfect-foresight value of a battery's stored energy on the training prices, idle in gaps."""
        interval_h = training.interval_h
        key = key_of(self.series.digest, len(training), battery, CODE)
        file = cache_folder(self.option.cache) / "hindsight" / f"{key}.npy"
        return hindsight(training.price, battery, interval_h, partial(cached_array, file), training.gap)

    @property
    def _observations(self) -> ObservationCache:
        option = self.option
        return ObservationCache(
            folder=option.cache, observation=option.observation, data=self.series.digest, price_lag=self.price_lag
        )
