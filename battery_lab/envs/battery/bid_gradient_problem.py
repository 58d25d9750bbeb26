"""Bid gradient problem: a battery's training period for learners that differentiate the reward of bids exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.bidding_interface import PlannedCurves, Rows, SliceGradient
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.observer import Observer
from battery_lab.planning.bid_policy_gradient import knot_weights, slice_gradient
from battery_lab.planning.move_table import idle_move, move_table, transitions
from battery_lab.rewards.weighted_terms import BoundShaping

TABLE_BYTES = 1 << 30  # rewards are kept in memory up to this size, and computed again beyond
CHUNK_ROWS = 1024


class BatteryBiddingProblem:
    """A battery on its training period; see ``BiddingProblem`` in ``envs/bidding_interface.py``."""

    def __init__(
        self,
        *,
        training: MarketSeries,
        battery: Battery,
        observer: Observer,
        reward: BoundShaping,
        rows: Rows,
        scaled_price: Array,
        price_number: int | None,
        planned: PlannedCurves | None,
        levels: int,
        knots: int,
    ) -> None:
        """Tabulate the battery's moves.

        Args:
            training: the market series up to the end of the training period.
            battery: the battery.
            observer: computes observations.
            reward: the shaping.
            rows: (T,) rows to train on.
            scaled_price: (T,) their prices on the scale of bids.
            price_number: number of an observation that bids are compared with; None if bids are the actions.
            planned: the bids of a plan in observations; None if there are none.
            levels: levels of stored energy from ``soc_min`` to ``soc_max``.
            knots: number of knots of a curve.

        Raises:
            ConfigError: the reward of a transition depends on earlier ones.
        """
        if reward.memories:
            raise ConfigError(
                f"reward.terms.{reward.memories[0]} depends on the visits of a state, which exact gradients do not "
                "count: remove it, or choose algo=ppo"
            )
        self.rows, self.scaled_price, self.price_number, self.planned = rows, scaled_price, price_number, planned
        self.state_numbers = observer.state_numbers
        self.intervals_per_day = training.intervals_per_day
        self._training, self._battery, self._observer = training, battery, observer
        self._moves = move_table(battery, training.interval_h, levels)
        self._knots = knot_weights(battery, self._moves.energy_mwh, knots)
        self._reward = reward
        self._rewards = _RewardTable(self._rewards_of, rows, training.price[rows], reward.is_linear)

    def observations(self, rows: Rows) -> NDArray[np.float32]:
        """Return (N, D) observations of some intervals; the numbers of the state of charge are 0."""
        middle = (self._battery.energy_min_mwh + self._battery.energy_max_mwh) / 2
        return self._observer(rows, np.full(len(rows), middle))

    def first_values(self) -> tuple[Array, Array]:
        """Return stored energy at the mean price, in units of the reward, and a uniform occupancy."""
        energy, floor = self._moves.energy_mwh, self._moves.floor
        price = max(float(self._training.price[self.rows].mean()), 0.0) * self._battery.discharge_efficiency
        occupancy = np.where(np.arange(len(energy)) < floor, 0.0, 1.0)
        return price * energy / self._reward.scale, occupancy / occupancy.sum()

    def value_over_gap(self, value: Array, intervals: int) -> Array:
        """Return the (S,) value of each level before a gap, in which the battery is idle."""
        target, weight = idle_move(self._battery, self._moves.energy_mwh, intervals * self._training.interval_h)
        return np.asarray(value[target] + weight * (value[target + 1] - value[target]))

    def occupancy_over_gap(self, occupancy: Array, intervals: int) -> Array:
        """Return the (S,) probability of each level after a gap, in which the battery is idle."""
        target, weight = idle_move(self._battery, self._moves.energy_mwh, intervals * self._training.interval_h)
        after = np.zeros_like(occupancy)
        np.add.at(after, target, occupancy * (1 - weight))
        np.add.at(after, target + 1, occupancy * weight)
        return after

    def gradient(
        self,
        part: slice,
        bid: Array,
        offer: Array,
        *,
        sharpness: float,
        value_end: Array,
        occupancy_start: Array,
        uniform_share: float,
    ) -> SliceGradient:
        """Return value and gradient of a softened policy; see ``BiddingProblem``."""
        return slice_gradient(
            self._moves,
            self._knots,
            bid,
            offer,
            self.scaled_price[part],
            self._rewards(part).reshape(len(bid), *self._moves.target.shape),
            sharpness=sharpness,
            value_end=value_end,
            occupancy_start=occupancy_start,
            uniform_share=uniform_share,
        )

    def _rewards_of(self, rows: Rows, price: Array) -> Array:
        """Return the rewards of all moves from all levels, (N * 3 * S,)."""
        return self._reward(transitions(self._moves, rows, price, self._battery, self._training.interval_h))


class _RewardTable:
    """The rewards of all moves from all levels in every interval, (T, 3 * S)."""

    def __init__(self, rewards_of: Callable[[Rows, Array], Array], rows: Rows, price: Array, is_linear: bool) -> None:
        """Compute rewards that are linear in the price from two prices, and keep others if they fit in memory."""
        self._rewards_of, self._rows, self._price = rewards_of, rows, price
        self._at_zero = rewards_of(rows[:1], np.zeros(1))
        self._per_price = rewards_of(rows[:1], np.ones(1)) - self._at_zero
        self._is_linear, size = is_linear, len(self._at_zero)
        self._table: NDArray[np.float32] | None = None
        if not is_linear and 4 * len(rows) * size <= TABLE_BYTES:
            self._table = np.empty((len(rows), size), np.float32)
        # Chunks are computed when they are first used: a short training uses few.
        self._known = np.zeros(-(-len(rows) // CHUNK_ROWS), np.bool_)

    def __call__(self, part: slice) -> NDArray[np.floating]:
        """Return the (N, 3 * S) rewards of N intervals."""
        if self._is_linear:
            return self._at_zero + self._per_price * self._price[part, None]
        if self._table is None:
            return self._computed(part)
        first, end, _ = part.indices(len(self._rows))
        for chunk in range(first // CHUNK_ROWS, -(-end // CHUNK_ROWS)):
            if not self._known[chunk]:
                rows = slice(chunk * CHUNK_ROWS, (chunk + 1) * CHUNK_ROWS)
                self._table[rows] = self._computed(rows)
                self._known[chunk] = True  # last: another thread may use the chunk, or compute the same values
        return self._table[part]

    def _computed(self, part: slice) -> Array:
        rows = self._rows[part]
        return self._rewards_of(rows, self._price[part]).reshape(len(rows), -1)
