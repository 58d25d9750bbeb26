"""Battery environment: the option env=battery, which joins physics, prices, observations, reward and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, SkipValidation

from battery_lab.baselines import Baseline
from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Highest, Int, Unit, options
from battery_lab.envs.battery.action_set import KINDS, ActionSet
from battery_lab.envs.battery.battery_world import BatteryWorld
from battery_lab.envs.battery.bid_and_audit_world import BidAndAuditWorld
from battery_lab.envs.battery.cycle_caps import DAYS_PER_YEAR
from battery_lab.envs.battery.dated_baselines import DatedBaselines
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.repeated_price_check import check_repeated_prices
from battery_lab.envs.battery.world_summary import LABELS
from battery_lab.market.interfaces import CacheableMarket, Market
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.observation_set import ObservationSet
from battery_lab.rewards.weighted_terms import Shaping

if TYPE_CHECKING:
    from battery_lab.envs.battery.price_data_check import PriceDataCheck
    from battery_lab.envs.battery.price_fetch import PriceFetch
    from battery_lab.envs.data_check_interface import Option
    from battery_lab.envs.data_fetch_interface import Progress

BIDS = "bids"


@options("env")
class BatteryMarket:
    """The option ``env=battery``.

    Attributes:
        battery: the battery.
        market: source of prices.
        observation: what the policy observes.
        reward: what the policy is trained on.
        baselines: the policies that it is compared with, by name.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
        forecast_latency_h: hours from the publication of a run of a forecast until features, baselines and decision
            functions see it.
        episode_days: length of a training episode.
        validation_days: length of the validation period, which lies between the training and the test period.
        test_days: length of the test period, the last of the series.
        skip_last_days: days at the end of the series that are left out, as if the data ended earlier.
        max_filled_h: longest stretch of filled prices (``market.gaps``) in the validation and the test period, hours;
            None: any.
        actions: ``auto`` (power, of any kind that the algorithm can learn), ``discrete`` or ``continuous`` power, or
            ``bids``: a bid and an offer, made before the interval's price is known.
        action_levels: number of power levels of discrete actions; odd.
        bid_levels: number of prices of discrete bids.
        cache: folder of what is computed once: simulated markets, scales, observations, perfect-foresight values and
            requests of baselines; ``~`` is the home folder.
    """

    metric_names: ClassVar[tuple[str, ...]] = tuple(LABELS)
    evaluation_overrides: ClassVar[tuple[str, ...]] = (
        *("market", "battery"),
        *(
            "env.price_lag",
            "env.forecast_latency_h",
            "env.validation_days",
            "env.test_days",
            "env.skip_last_days",
            "env.max_filled_h",
        ),
        "env.baselines",
    )
    data_paths: ClassVar[tuple[str, ...]] = ("market.path",)
    fetch_arguments: ClassVar[tuple[str, ...]] = ("market", "product", "location", "period", "folder")

    battery: SkipValidation[Battery]
    market: SkipValidation[Market]
    observation: SkipValidation[ObservationSet]
    reward: SkipValidation[Shaping]
    baselines: Mapping[str, SkipValidation[Baseline]]
    price_lag: Annotated[Int, Field(ge=0, le=1)]
    forecast_latency_h: Annotated[float, Field(ge=0), Highest(8784), Unit("hours")]
    episode_days: Annotated[float, Field(gt=0, le=3660), Unit("days")]
    validation_days: Annotated[Int, Field(ge=1), Highest(36_600), Unit("days")]
    test_days: Annotated[Int, Field(ge=1), Highest(36_600), Unit("days")]
    skip_last_days: Annotated[Int, Field(ge=0), Highest(36_600), Unit("days")]
    max_filled_h: Annotated[float, Field(ge=0), Highest(87_840), Unit("hours")] | None
    actions: Literal["auto", "discrete", "continuous", "bids"]
    action_levels: Int
    bid_levels: Annotated[Int, Field(ge=2, le=50), Unit("prices")]
    cache: str

    def __post_init__(self) -> None:
        self._check_parts()
        ActionSet(kind="discrete", levels=self.action_levels, power_mw=self.battery.power_mw)
        for needed in (BatteryWorld.optimum, BatteryWorld.rule):
            require(needed in self.baselines, "env.baselines", f"must include {needed!r}", list(self.baselines))
        if self.battery.max_cycles_per_year is not None:
            # A yearly cap holds for a stretch as a whole: in a longer one, a year could use the cap of two.
            rule = f"must be at most {DAYS_PER_YEAR} with battery.max_cycles_per_year: shorten it, or remove the cap"
            for name in ("episode_days", "validation_days", "test_days"):
                days = getattr(self, name)
                require(days <= DAYS_PER_YEAR, f"env.{name}", rule, days)

    def _check_parts(self) -> None:
        """Check that each part is what its YAML stands for, which a ``_target_`` of another kind is not."""
        parts = {
            "battery": isinstance(self.battery, Battery),
            "market": hasattr(self.market, "load"),
            "observation": hasattr(self.observation, "build"),
            "reward": hasattr(self.reward, "bind"),
            **{f"env.baselines.{name}": hasattr(part, "requests") for name, part in self.baselines.items()},
        }
        for name, is_right in parts.items():
            if not is_right:
                group = name.split(".")[1][:-1] if "." in name else name
                raise ConfigError(
                    f"{name} must be one of the options of {group}, whose YAML names its class with _target_: choose "
                    f"one of conf/{group}, or correct {name}._target_"
                )

    @property
    def offers(self) -> Sequence[str]:
        """The kinds of actions that this value leaves open."""
        if self.actions == BIDS:
            return ("continuous", "discrete")
        return KINDS if self.actions == "auto" else (self.actions,)

    @property
    def known_lag(self) -> int:
        """0 if the price of the dispatched interval is known to a policy, 1 if only the price before it is."""
        return max(self.price_lag, 1) if self.actions == BIDS else self.price_lag

    def open(self, actions: str, observation_state: Mapping[str, Any] | None = None) -> BidAndAuditWorld:
        """Load the prices, split them by time and fit the observation scales on the training period.

        Raises:
            DataError: the prices cannot be used, or are too few for the split.
        """
        return BidAndAuditWorld(self, self._series(), actions, observation_state)

    def open_days(self, days: str) -> DatedBaselines:
        """Load the prices for baselines on days by date; see ``DatedEnvironment``."""
        return DatedBaselines(self, self._series(), days)

    def _series(self) -> MarketSeries:
        market = self.market
        series = market.load_cached(self.cache) if isinstance(market, CacheableMarket) else market.load()
        check_repeated_prices(series, self.known_lag, bids=self.actions == BIDS)
        if self.forecast_latency_h:
            forecasts = {name: known.delayed(self.forecast_latency_h) for name, known in series.forecasts.items()}
            series = replace(series, forecasts=forecasts)
        if self.skip_last_days:
            series = series.rows(0, max(0, len(series) - self.skip_last_days * series.intervals_per_day))
        return series

    def check_data(
        self, path: str, options: Mapping[str, Option], chosen: str | None, given: Mapping[str, Any]
    ) -> PriceDataCheck:
        """Find the market that reads price files, and describe them; see ``DataCheckingEnvironment``."""
        # Trials need none of it.
        from battery_lab.envs.battery.price_data_check import check_prices

        return check_prices(self, path, options, chosen, given)

    def fetch_data(self, chosen: Mapping[str, str], options: Mapping[str, Option], progress: Progress) -> PriceFetch:
        """Download an operator's prices or forecasts; see ``DataFetchingEnvironment``."""
        from battery_lab.envs.battery.price_fetch import fetch_prices

        return fetch_prices(chosen, options, progress)
