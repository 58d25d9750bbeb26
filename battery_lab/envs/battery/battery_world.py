"""Battery world: an environment with its data loaded. It splits time, makes vector environments, evaluates and reports.

Batteries are stepped in ``vector_env``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from battery_lab.envs.battery.action_set import Actions, ActionSet
from battery_lab.envs.battery.baseline_evaluations import evaluate_baselines
from battery_lab.envs.battery.bid_actions import BidActions, PriceScale
from battery_lab.envs.battery.bid_gradient_problem import BatteryBiddingProblem
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.battery.evaluated_gap_checks import refuse_gaps_under_caps
from battery_lab.envs.battery.fitted_throughput_price import fitted_throughput_price
from battery_lab.envs.battery.parallel_stretches import run_policy
from battery_lab.envs.battery.prepared_data_cache import PreparedData
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.time_split import TimeSplit, split_time
from battery_lab.envs.battery.vector_env import BatteryVectorEnv
from battery_lab.envs.battery.world_summary import (
    battery_metrics,
    data_notes,
    forecasts_in_words,
    known_in_words,
    missing_counts,
    summarize,
)
from battery_lab.envs.bidding_interface import PlannedCurves
from battery_lab.envs.interfaces import ActionKind, ActionMeaning, Actor, Evaluation, Recipe
from battery_lab.envs.layout import Layout
from battery_lab.market.forecasts.future_values import PRICE, known_lag
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.fitted_scales import Scaling
from battery_lab.observations.observer import Observer
from battery_lab.observations.planned_bids import planned_numbers
from battery_lab.planning.hindsight_value import HindsightValue
from battery_lab.rewards.weighted_terms import BoundShaping

if TYPE_CHECKING:
    from battery_lab.envs.battery.environment import BatteryMarket
    from battery_lab.report import Panel


class BatteryWorld:
    """A battery on a market, with its data loaded; see ``World`` in ``envs/interfaces.py``."""

    score = "profit_per_day"
    optimum = "perfect_foresight"
    rule = "rule"
    recipe = Recipe(
        override="experiment=flagship", algo="bid_curves", words="bid curves, trained on exact gradients (docs/bids.md)"
    )

    def __init__(
        self, option: BatteryMarket, series: MarketSeries, actions: str, fitted: Mapping[str, Any] | None
    ) -> None:
        """Split a series by time and fit the observation scales.

        Args:
            option: the parameters.
            series: the whole market series.
            actions: ``discrete`` or ``continuous``.
            fitted: a state from ``observation_state``; None fits scales on the training period.
        """
        self._option, self._series = option, series
        # A price that is published ahead is known, whatever env.price_lag says. Bids are made without it all the same.
        self._lag = option.known_lag if option.actions == "bids" else known_lag(series, option.known_lag)
        self._warm_up = round(option.observation.look_back_h / series.interval_h) + self._lag
        self._prepared = PreparedData(option=option, series=series, price_lag=self._lag)
        self._scaling = Scaling.from_json(fitted) if fitted else self._prepared.scaling(self._training)
        self._scale = self._price_scale(fitted or {}) if option.actions == "bids" else None
        self._actions = self._action_set(cast(ActionKind, actions))
        self.metrics = battery_metrics(option.battery, series.currency)

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

    @property
    def known(self) -> str:
        """What a policy knows of the price of the interval, the forecasts that it observes, and the caps on cycles."""
        series = self._series
        rows = series.rows(*self._split.periods["test"]) if series.forecasts else series
        forecasts = forecasts_in_words(rows, self.layout.names)
        return known_in_words(series, self.known_code, self._option.battery, forecasts)

    @property
    def known_code(self) -> int:
        """The number of what is known of the price of the interval."""
        return 2 if self._scale else self._lag

    @cached_property
    def throughput_price(self) -> float:
        """The price per MWh discharged that stands for caps on cycles in plans and in training; 0 without caps."""
        return fitted_throughput_price(self._option.cache, self.problem("test"))

    @cached_property
    def hindsight(self) -> HindsightValue:
        """The perfect-foresight value on the training prices, with the throughput price if there are caps."""
        return self._prepared.hindsight(self._training, self._option.battery.priced(self.throughput_price))

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
        if self._scale:
            number, scaled = None, self._scale.to_unit(self._training.price[rows])
        else:
            number = self._observer.price_number
            scaled = self._observer.market_number(rows, number)
        return BatteryBiddingProblem(
            training=self._training,
            battery=self._option.battery,
            observer=self._observer,
            reward=self._reward(1),
            rows=rows,
            scaled_price=scaled,
            price_number=number,
            planned=self._planned_curves(number, knots),
            levels=levels,
            knots=knots,
        )

    def _planned_curves(self, price_number: int | None, knots: int) -> PlannedCurves | None:
        before = self._observer.state_numbers
        planned = planned_numbers(self.layout.names, knots)
        if planned is None:
            return None
        own = slice(planned - before, planned - before + 2 * knots)
        mean, std = self._scaling.mean[own], self._scaling.std[own]
        # On the scale of the column, -1 and 1 are these numbers on the scale of bids.
        if self._scale:
            low, high = self._scale.to_unit(self._scaling.columns[PRICE].restore(np.array([-1.0, 1.0])))
        else:
            low, high = self._option.observation.observed_prices(np.array([-1.0, 1.0]), self._observer, self._scaling)
        middle, half = (high + low) / 2, (high - low) / 2
        return PlannedCurves(planned, half * std, half * mean + middle)

    def problem(self, period: str) -> DispatchProblem:
        """Return a period as a dispatch problem."""
        first, end = self._split.periods[period]
        return DispatchProblem(
            series=self._series,
            battery=self._option.battery,
            first=first,
            end=end,
            train_end=self._split.train_end,
            price_lag=self._lag,
            bids=self._scale is not None,
        )

    def evaluate(self, actor: Actor, period: str) -> Evaluation:
        """Run a policy through a period, in order, from the battery's ``soc_start``."""
        problem = self.problem(period)
        requests, actions = run_policy(problem, actor, self._observer, self._actions)
        dispatch = Dispatch.replay(problem, requests)
        # In a gap, nothing is bid.
        acted = {
            name: np.where(problem.idle, np.nan, values) for name, values in self._actions.columns(actions).items()
        }
        return Evaluation(metrics=dispatch.metrics(), frame=dispatch.frame().assign(**acted))

    def baselines(self, period: str, names: Sequence[str] | None = None) -> dict[str, Evaluation]:
        """Evaluate the baselines, or some of them; their requests are computed once per market, battery and period."""
        problem = replace(self.problem(period), throughput_price=self.throughput_price)
        chosen = self._option.baselines if names is None else {name: self._option.baselines[name] for name in names}
        return evaluate_baselines(self._option.cache, chosen, problem)

    def panels(self, frame: pd.DataFrame, baselines: Mapping[str, Evaluation]) -> Sequence[Panel]:
        """Return the report's plots of one policy."""
        # Env runners and training need no plots, and start faster without importing them.
        from battery_lab.envs.battery import dispatch_plots

        frames = {name: evaluation.frame for name, evaluation in baselines.items()}
        return dispatch_plots.panels(frame, self._series.currency, frames)

    def summary(self) -> Mapping[str, str]:
        """Return market, battery and time split by label."""
        battery, bids = self._option.battery, self._scale is not None
        return summarize(self._series, battery, self._split, price_lag=self._lag, bids=bids)

    def data_counts(self) -> Mapping[str, float]:
        """Return the numbers of filled intervals and of those in gaps, by period; see ``NotedWorld``."""
        return missing_counts(self._series, self._split)

    def data_notes(self) -> Sequence[str]:
        """Return what is missing or looks wrong in the prices, one sentence each; see ``NotedWorld``."""
        return data_notes(self._series, self._split)

    def observation_state(self) -> Mapping[str, Any]:
        """Return the observation scales, and the scale of bids if actions are bids."""
        return self._scaling.to_json() | ({"bids": asdict(self._scale)} if self._scale else {})

    def _reward(self, num_envs: int) -> BoundShaping:
        context = RewardContext(
            series=self._training,
            battery=self._option.battery,
            num_envs=num_envs,
            hindsight=lambda: self.hindsight,
            throughput_price=lambda: self.throughput_price,
        )
        return self._option.reward.bind(context)

    @cached_property
    def _observer(self) -> Observer:
        return self._prepared.observer(self._scaling)

    def _build_observer(self, series: MarketSeries) -> Observer:
        return self._option.observation.build(series, self._lag, self._scaling, self._option.battery)

    def _price_scale(self, fitted: Mapping[str, Any]) -> PriceScale:
        if "bids" in fitted:
            return PriceScale.from_json(fitted["bids"])
        training = self._training
        return PriceScale.fit(training.price[~training.gap], self._option.bid_levels)

    def _action_set(self, kind: ActionKind) -> Actions:
        power = self._option.battery.power_mw
        if self._scale:
            return BidActions(kind=kind, power_mw=power, scale=self._scale)
        return ActionSet(kind=kind, levels=self._option.action_levels, power_mw=power)

    @cached_property
    def _split(self) -> TimeSplit:
        """The periods. A world with fitted scales needs them for training and evaluation only."""
        option = self._option
        split = split_time(
            self._series,
            test_days=option.test_days,
            validation_days=option.validation_days,
            episode_days=option.episode_days,
            warm_up=self._warm_up,
            skipped_days=option.skip_last_days,
            max_filled_h=option.max_filled_h,
        )

        refuse_gaps_under_caps(self._series, option.battery, split.train_end, split.end)
        return split

    @cached_property
    def _training(self) -> MarketSeries:
        return self._series.rows(0, self._split.train_end)
