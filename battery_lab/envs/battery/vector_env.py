"""Battery vector environment: N batteries on one market's training period, stepped in one call."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numba as nb
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from battery_lab.envs.battery.action_set import Actions
from battery_lab.envs.battery.cycle_caps import Allowance, left_shares, new_meters
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.observer import Observer
from battery_lab.rewards.weighted_terms import BoundShaping

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Flags = NDArray[np.bool_]


class BatteryVectorEnv(gym.vector.VectorEnv[Float32, NDArray[Any], NDArray[Any]]):
    """Dispatch of N batteries on random slices of the training period.

    ## Description
    Each battery trades on its own slice of the training period. An episode is truncated at the end of its slice, never
    terminates.

    ## Action Space
    ``Discrete(levels)`` from full charge (0) over hold (the middle level) to full discharge, or ``Box(-1, 1, (1,))``,
    the fraction of full power, + discharges. Bids: ``Box(-1, 1, (2,))``, a bid and an offer on the scale of prices, or
    ``Discrete``, a pair of prices. Requests beyond a limit are delivered in part.

    ## Observation Space
    ``Box(-inf, inf, (D,), float32)`` in the layout of the observation set: soc first, then what is left of caps on
    cycles if ``observation.cap_left``, then market features up to the interval that is dispatched next.

    ## Rewards
    The weighted sum of the reward terms, less the throughput price of caps on cycles, divided by the scale of the
    shaping.

    ## Starting State
    A slice drawn uniformly from the training period; soc is drawn uniformly between its limits. The first ones are cut
    to random lengths, so that episodes do not all end in the same step. An episode has the whole allowance of its
    first day, also if it starts within the day; each of the first ones has the yearly allowance of a whole episode.

    ## Episode End
    Truncation after ``episode_intervals``. Autoreset on the next step (``AutoresetMode.NEXT_STEP``).
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        *,
        training: MarketSeries,
        battery: Battery,
        observer: Observer,
        reward: BoundShaping,
        actions: Actions,
        starts: NDArray[np.int64],
        episode_intervals: int,
        num_envs: int,
        seed: int,
        staggered: bool = True,
    ) -> None:
        """Make N batteries.

        Args:
            training: the market series up to the end of the training period.
            battery: the battery.
            observer: computes observations of the market and the battery.
            reward: the shaping, bound to ``num_envs`` environments.
            actions: the action set.
            starts: (S,) rows at which an episode may start.
            episode_intervals: length of an episode.
            num_envs: number of batteries, N.
            seed: seed of all random draws until ``reset`` gets one.
            staggered: whether the first episodes are cut to random lengths.
        """
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (observer.layout.size,), np.float32)
        self.single_action_space = actions.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._price, self._interval_h, self._battery = training.price, training.interval_h, battery
        self._observer, self.reward, self._actions = observer, reward, actions
        self._starts, self._episode, self._staggered = starts, episode_intervals, staggered
        self._rng = np.random.default_rng(seed)
        self._row = np.zeros(num_envs, np.int64)
        self._first = np.zeros(num_envs, np.int64)
        self._end = np.zeros(num_envs, np.int64)
        self._energy = np.full(num_envs, battery.energy_start_mwh)
        self._allowance = self._caps(training, episode_intervals)
        self._meters = new_meters(num_envs)
        self._done = np.zeros(num_envs, np.bool_)
        self._account = np.zeros(4)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Start N episodes; returns (N, D) observations and an empty info."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._start(np.ones(self.num_envs, np.bool_))
        if self._staggered:
            self._end = self._row + self._rng.integers(1, self._episode + 1, self.num_envs)
        self._done[:] = False
        return self._observation(), {}

    def step(self, actions: NDArray[Any]) -> tuple[Float32, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Dispatch one interval; a battery whose episode ended in the previous step starts a new one instead."""
        reset = self._done
        if reset.any():
            live, reward = np.flatnonzero(~reset), np.zeros(self.num_envs)
            reward[live] = self._dispatch(live, np.asarray(actions)[live])
            self._start(reset)
        else:
            reward = self._dispatch(slice(None), actions)
        self._done = (self._row >= self._end) & ~reset
        observation = self._observation()
        return observation, reward, np.zeros(self.num_envs, np.bool_), self._done.copy(), {}

    def take_log(self) -> dict[str, float]:
        """Return profit and revenue per day, the mean reward and its terms; see ``TrainingVectorEnv``."""
        profit, revenue, reward, counted = self._account
        intervals = max(float(counted), 1.0)
        days = intervals * self._interval_h / 24
        self._account = np.zeros(4)
        money = {"train/profit_per_day": profit / days, "train/revenue_per_day": revenue / days}
        terms = {f"reward_terms/{name}": value for name, value in self.reward.take_log().items()}
        return money | {"train/reward_mean": reward / intervals} | terms

    def get_state(self) -> dict[str, Any]:
        """Return the complete state; see ``TrainingVectorEnv``."""
        return {
            "rng": self._rng.bit_generator.state,
            "row": self._row.copy(),
            "first": self._first.copy(),
            "end": self._end.copy(),
            "energy": self._energy.copy(),
            "meters": self._meters.copy(),
            "done": self._done.copy(),
            "account": self._account.copy(),
            "reward": self.reward.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state from ``get_state``."""
        self._rng.bit_generator.state = state["rng"]
        self._row, self._end = state["row"].copy(), state["end"].copy()
        self._energy, self._done = state["energy"].copy(), state["done"].copy()
        # Checkpoints of earlier versions have neither: no battery had caps then.
        self._first = state.get("first", self._end - self._episode).copy()
        self._meters = state.get("meters", self._meters).copy()
        self._account = state["account"].copy()
        self.reward.set_state(state["reward"])

    def _start(self, which: Flags) -> None:
        count = int(which.sum())
        low, high = self._battery.energy_min_mwh, self._battery.energy_max_mwh
        self._row[which] = self._first[which] = self._rng.choice(self._starts, count)
        self._end[which] = self._row[which] + self._episode
        self._energy[which] = self._rng.uniform(low, high, count)
        if self._allowance is not None:
            self._meters[which] = new_meters(count)

    def _observation(self) -> Float32:
        if self._allowance is None or not self._observer.shows_caps:
            return self._observer(self._row, self._energy)
        left = left_shares(self._meters, self._row, self._allowance, self._row - self._first)
        return self._observer(self._row, self._energy, left)

    def _caps(self, training: MarketSeries, intervals: int) -> Allowance | None:
        """Return the caps on cycles, a year's pro rata to an episode; None without caps."""
        if not self._battery.has_caps:
            return None
        return self._battery.allowance(training.local_day, training.interval_h, intervals)

    def _deliver(
        self, which: NDArray[np.int64] | slice, row: NDArray[np.int64], energy: Array, request: Array
    ) -> tuple[Array, Array]:
        """Return delivered power and stored energy after the interval."""
        if self._allowance is None:
            return self._battery.step(energy, request, self._interval_h)
        meters = self._meters[which]
        delivered = self._battery.step_within(energy, request, self._interval_h, row, self._allowance, meters)
        self._meters[which] = meters
        return delivered

    def _dispatch(self, which: NDArray[np.int64] | slice, actions: NDArray[Any]) -> NDArray[np.float64]:
        """Dispatch one interval of the selected batteries and return their rewards."""
        row, energy = self._row[which], self._energy[which]
        price = self._price[row]
        request = self._actions.request_mw(actions, price)
        power, after = self._deliver(which, row, energy, request)
        done = Transition(
            row=row,
            price=price,
            request_mw=request,
            power_mw=power,
            energy_mwh=energy,
            energy_after_mwh=after,
            interval_h=self._interval_h,
            battery=self._battery,
        )
        if isinstance(which, slice):
            # Terms may keep the transition, so its arrays must not be those that the next step writes to.
            self._row, self._energy = row + 1, after.copy()
        else:
            self._row[which], self._energy[which] = row + 1, after
        reward = self.reward(done)
        _add(self._account, done.profit, done.revenue, reward)
        return reward


@nb.njit(cache=True)
def _add(account: Array, profit: Array, revenue: Array, reward: Array) -> None:
    for n in range(len(reward)):
        account[0] += profit[n]
        account[1] += revenue[n]
        account[2] += reward[n]
    account[3] += len(reward)
