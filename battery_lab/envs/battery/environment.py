"""Battery environment: joins physics, prices, observations, reward and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd
from pydantic import Field, SkipValidation

from battery_lab.baselines import Baseline
from battery_lab.common.errors import require
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.envs.battery import parallel_stretches
from battery_lab.envs.battery.action_set import KINDS, ActionSet
from battery_lab.envs.battery.baseline_cache import cached_requests
from battery_lab.envs.battery.bidding_problem import BatteryBiddingProblem
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.time_split import split_time
from battery_lab.envs.battery.vector_env import BatteryVectorEnv
from battery_lab.envs.interfaces import ActionKind, ActionMeaning, Actor, Evaluation, Metric
from battery_lab.envs.layout import Layout
from battery_lab.market.market_series import Market, MarketSeries
from battery_lab.observations.observation_set import ObservationSet
from battery_lab.observations.observer import Observer
from battery_lab.observations.scaling import Scaling
from battery_lab.planning.perfect_foresight import HindsightValue
from battery_lab.planning.perfect_foresight import hindsight as tabulate_hindsight
from battery_lab.rewards.shaping import BoundShaping, Shaping

if TYPE_CHECKING:
    from battery_lab.report import Panel

# Metric -> its label.
LABELS = {
    "profit_per_day": "profit",
    "revenue_per_day": "revenue",
    "equivalent_full_cycles_per_day": "full cycles per day",
}


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
        episode_days: length of a training episode.
        validation_days: length of the validation period, which lies between the training and the test period.
        test_days: length of the test period, the last of the series.
        actions: ``auto`` (any kind that the algorithm can learn), ``discrete`` or ``continuous``.
        action_levels: number of power levels of discrete actions; odd.
        cache: folder for baseline results, computed once per market and battery.
    """

    metric_names: ClassVar[tuple[str, ...]] = tuple(LABELS)
    evaluation_overrides: ClassVar[tuple[str, ...]] = (
        *("market", "battery"),
        *("env.price_lag", "env.validation_days", "env.test_days", "env.baselines"),
    )
    data_paths: ClassVar[tuple[str, ...]] = ("market.path",)

    battery: SkipValidation[Battery]
    market: SkipValidation[Market]
    observation: SkipValidation[ObservationSet]
    reward: SkipValidation[Shaping]
    baselines: Mapping[str, SkipValidation[Baseline]]
    price_lag: Annotated[Int, Field(ge=0, le=1)]
    episode_days: Annotated[float, Field(gt=0, le=3660), Unit("days")]
    validation_days: Annotated[Int, Field(ge=1), Unit("days")]
    test_days: Annotated[Int, Field(ge=1), Unit("days")]
    actions: Literal["auto", "discrete", "continuous"]
    action_levels: Int
    cache: str

    def __post_init__(self) -> None:
        ActionSet(kind="discrete", levels=self.action_levels, power_mw=self.battery.power_mw)
        for needed in (BatteryWorld.optimum, BatteryWorld.rule):
            require(needed in self.baselines, "env.baselines", f"must include {needed!r}", list(self.baselines))

    @property
    def offers(self) -> Sequence[str]:
        """The kinds of actions that this value leaves open."""
        return KINDS if self.actions == "auto" else (self.actions,)

    def open(self, actions: str, observation_state: Mapping[str, Any] | None = None) -> BatteryWorld:
        """Load the prices, split them by time and fit the observation scales on the training period.

        Raises:
            DataError: the prices cannot be used, or are too few for the split.
        """
        scaling = None if observation_state is None else Scaling.from_json(observation_state)
        return BatteryWorld(self, self.market.load(), actions, scaling)


class BatteryWorld:
    """A battery on a market, with its data loaded; see ``World`` in ``envs/interfaces.py``."""

    score = "profit_per_day"
    optimum = "perfect_foresight"
    rule = "rule"

    def __init__(self, option: BatteryMarket, series: MarketSeries, actions: str, scaling: Scaling | None) -> None:
        """Split a series by time and fit the observation scales.

        Args:
            option: the parameters.
            series: the whole market series.
            actions: ``discrete`` or ``continuous``.
            scaling: scales of the observations; None fits them on the training period.
        """
        self._option, self._series = option, series
        kind = cast(ActionKind, actions)  # checked by ActionSet
        self._actions = ActionSet(kind=kind, levels=option.action_levels, power_mw=option.battery.power_mw)
        self._warm_up = round(option.observation.look_back_h / series.interval_h) + option.price_lag
        self._split = split_time(
            series,
            test_days=option.test_days,
            validation_days=option.validation_days,
            episode_days=option.episode_days,
            warm_up=self._warm_up,
        )
        self._scaling = scaling or option.observation.fit(self._training, option.price_lag)
        money = f"{series.currency}/day"
        units = {"profit_per_day": money, "revenue_per_day": money}
        self.metrics = [Metric(name=name, label=label, unit=units.get(name, "")) for name, label in LABELS.items()]

    @property
    def layout(self) -> Layout:
        """Names and places of the numbers in an observation."""
        return self._observer.layout

    @property
    def action(self) -> ActionMeaning:
        """The meaning of the actions."""
        return self._actions.meaning

    @property
    def digest(self) -> str:
        """A hash of the prices and of their split by time."""
        return f"{self._series.digest}-{self._split.train_end}-{self._split.test_first}"

    @cached_property
    def hindsight(self) -> HindsightValue:
        """The perfect-foresight value on the training prices."""
        return tabulate_hindsight(self._training.price, self._option.battery, self._series.interval_h)

    def vector_env(self, num_envs: int, seed: int, staggered: bool = True) -> BatteryVectorEnv:
        """Make N batteries on the training period."""
        return BatteryVectorEnv(
            training=self._training,
            battery=self._option.battery,
            observer=self._observer,
            reward=self._reward(num_envs),
            actions=self._actions,
            starts=self._split.starts,
            episode_intervals=self._split.episode,
            num_envs=num_envs,
            seed=seed,
            staggered=staggered,
        )

    def bidding_problem(self, levels: int, knots: int) -> BatteryBiddingProblem:
        """Return the training period for learners that differentiate the reward of bids; see ``PriceTaker``."""
        rows = np.arange(self._warm_up, self._split.train_end)
        rows = rows[~self._training.gap[rows]]
        number = self._observer.price_number
        observed = self._observer(rows, np.full(len(rows), self._option.battery.energy_start_mwh))
        return BatteryBiddingProblem(
            training=self._training,
            battery=self._option.battery,
            observer=self._observer,
            reward=self._reward(1),
            rows=rows,
            scaled_price=observed[:, number].astype(np.float64),
            price_number=number,
            levels=levels,
            knots=knots,
        )

    def problem(self, period: str) -> DispatchProblem:
        """Return a period as a dispatch problem."""
        first, end = self._split.periods[period]
        return DispatchProblem(
            series=self._series,
            battery=self._option.battery,
            first=first,
            end=end,
            train_end=self._split.train_end,
            price_lag=self._option.price_lag,
        )

    def evaluate(self, actor: Actor, period: str) -> Evaluation:
        """Run a policy through a period, in order, from the battery's ``soc_start``."""
        problem = self.problem(period)
        dispatch = Dispatch.replay(problem, parallel_stretches.requests(problem, actor, self._observer, self._actions))
        return Evaluation(metrics=dispatch.metrics(), frame=dispatch.frame())

    def baselines(self, period: str) -> dict[str, Evaluation]:
        """Evaluate the baselines; their requests are computed once per market, battery and period."""
        problem = self.problem(period)
        evaluations = {}
        for name, baseline in self._option.baselines.items():
            dispatch = Dispatch.replay(problem, cached_requests(self._option.cache, name, baseline, problem))
            evaluations[name] = Evaluation(metrics=dispatch.metrics(), frame=dispatch.frame())
        return evaluations

    def panels(self, frame: pd.DataFrame, baselines: Mapping[str, Evaluation]) -> Sequence[Panel]:
        """Return the report's plots of one policy."""
        # Env runners and training need no plots, and start faster without importing them.
        from battery_lab.envs.battery import dispatch_plots

        frames = {name: evaluation.frame for name, evaluation in baselines.items()}
        return dispatch_plots.panels(frame, self._series.currency, frames)

    def summary(self) -> Mapping[str, str]:
        """Return market, battery and time split by label."""
        battery, series = self._option.battery, self._series
        known = "known" if self._option.price_lag == 0 else "unknown, only the price before it is known"
        return {
            "Market": f"{series.name}, {len(series):,} intervals of {60 * series.interval_h:g} minutes",
            "Training period": self._stretch(0, self._split.train_end),
            **{f"{period.capitalize()} period": self._stretch(*rows) for period, rows in self._split.periods.items()},
            "Battery": f"{battery.power_mw:g} MW, {battery.capacity_mwh:g} MWh, round trip "
            f"{battery.round_trip_efficiency:.0%}, wear {battery.wear_per_mwh:g} {series.currency}/MWh discharged",
            "Price of the dispatched interval": known,
        }

    def observation_state(self) -> Mapping[str, Any]:
        """Return the observation scales."""
        return self._scaling.to_json()

    def _reward(self, num_envs: int) -> BoundShaping:
        context = RewardContext(
            series=self._training,
            battery=self._option.battery,
            num_envs=num_envs,
            hindsight=lambda: self.hindsight,
        )
        return self._option.reward.bind(context)

    @cached_property
    def _observer(self) -> Observer:
        option = self._option
        return option.observation.build(self._series, option.price_lag, self._scaling, option.battery)

    @cached_property
    def _training(self) -> MarketSeries:
        return self._series.rows(0, self._split.train_end)

    def _stretch(self, first: int, end: int) -> str:
        local = self._series.local_start
        return f"{local[first]:%Y-%m-%d} to {local[end - 1]:%Y-%m-%d}"
