"""Soft dispatch: the exact value of a softened bidding policy along a price path, and its exact gradient.

A battery that moves no price meets prices that do not depend on it. Along a given price path, backward induction over
stored energy therefore gives the exact value of a policy at every state of charge, and a forward pass gives the
probability of every state. Together they give the exact gradient of the expected profit with respect to every bid and
offer, without a single sampled action (Sinclair et al. 2022, "Hindsight Learning for MDPs with Exogenous Inputs",
arXiv 2207.06272; Alvo et al. 2023, "Hindsight Differentiable Policy Optimization", arXiv 2306.11246).

A policy gives a bid and an offer at each of M knots over the state of charge, linear in between. It is softened: with
price p, bid b and offer o, all on one scale, it buys, holds or sells with probabilities proportional to exp(k (b - p)),
1 and exp(k (p - o)). As the sharpness k grows, this becomes the clearing of ``bid_clearing``.

Moves are those of the battery's physics at full power, from every level of an evenly spaced grid of stored energy.
Where a move ends between two levels, value and probability are split linearly between them, which keeps the mean
energy. This covers partial delivery at limits, self-discharge, and any battery and interval.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery, deliver_mwh

BUY, HOLD, SELL = 0, 1, 2
FAST = {"nnan", "ninf", "nsz", "contract", "reassoc", "arcp"}


class MoveTable(NamedTuple):
    """The moves of a battery over one interval, from S levels of stored energy.

    Attributes:
        energy_mwh: (S,) stored energy of the levels.
        target: (3, S) level below the end of the move to buy, hold or sell.
        weight: (3, S) weight of the level above ``target``; 0 if the move ends on ``target``.
        sold_mwh: (3, S) energy delivered to the grid, negative if bought.
        cost: (3, S) wear and grid fee of the move, in the market's currency.
    """

    energy_mwh: Array
    target: NDArray[np.int64]
    weight: Array
    sold_mwh: Array
    cost: Array


class KnotWeights(NamedTuple):
    """Linear interpolation between knots, for each level.

    Attributes:
        knot: (S,) knot below each level.
        weight: (S,) weight of the knot above it.
    """

    knot: NDArray[np.int64]
    weight: Array


class SliceGradient(NamedTuple):
    """Value and gradient of a policy on a slice of a price path.

    Attributes:
        profit: expected profit of the slice plus the value at its end, from the occupancy at its start.
        bid_gradient: (T, M) gradient of ``profit`` with respect to the bids.
        offer_gradient: (T, M) the same for the offers.
        value_start: (S,) value of each level at the start of the slice.
        occupancy_end: (S,) probability of each level at its end.
    """

    profit: float
    bid_gradient: Array
    offer_gradient: Array
    value_start: Array
    occupancy_end: Array


def move_table(battery: Battery, interval_h: float, levels: int) -> MoveTable:
    """Tabulate a battery's moves from evenly spaced levels of stored energy.

    Args:
        battery: the battery.
        interval_h: length of the interval, hours.
        levels: number of levels from ``soc_min`` to ``soc_max``, at least 2. With self-discharge, S is larger, as the
            grid continues below ``soc_min``.
    """
    limits = battery.limits(interval_h)
    low, high = limits.energy_min_mwh, limits.energy_max_mwh
    step = (high - low) / (levels - 1)
    below = ceil(low / step - 1e-9) if limits.retention < 1 else 0
    energy = np.concatenate([low + step * np.arange(-below, 0), np.linspace(low, high, levels)])
    requests = (-limits.power_mwh, 0.0, limits.power_mwh)
    moves = np.array([[deliver_mwh(start, request, limits) for start in energy] for request in requests])
    sold, after = moves[..., 0], moves[..., 1]
    position = np.clip((after - energy[0]) / step, 0.0, len(energy) - 1.0)
    nearest = np.round(position)
    position = np.where(np.abs(position - nearest) < 1e-9, nearest, position)
    target = np.minimum(position.astype(np.int64), len(energy) - 2)
    cost = battery.wear_per_mwh * np.maximum(sold, 0.0) + battery.grid_fee_per_mwh * np.maximum(-sold, 0.0)
    return MoveTable(energy, target, position - target, sold.copy(), cost)


def knot_weights(battery: Battery, energy_mwh: Array, knots: int) -> KnotWeights:
    """Return the interpolation between evenly spaced knots from ``soc_min`` to ``soc_max``, flat beyond them.

    Args:
        battery: the battery.
        energy_mwh: (S,) stored energy.
        knots: number of knots M, at least 2.
    """
    low, high = battery.energy_min_mwh, battery.energy_max_mwh
    position = np.clip((energy_mwh - low) / (high - low), 0.0, 1.0) * (knots - 1)
    knot = np.minimum(position.astype(np.int64), knots - 2)
    return KnotWeights(knot, position - knot)


def slice_gradient(
    moves: MoveTable,
    knots: KnotWeights,
    bid: Array,
    offer: Array,
    scaled_price: Array,
    price: Array,
    *,
    sharpness: float,
    value_end: Array,
    occupancy_start: Array,
    uniform_share: float = 0.0,
) -> SliceGradient:
    """Return the exact value and gradient of a softened policy on T intervals.

    Args:
        moves: the battery's moves.
        knots: interpolation of bids and offers at the levels.
        bid: (T, M) bids at the knots, on the scale of ``scaled_price``.
        offer: (T, M) offers at the knots.
        scaled_price: (T,) prices on a scale on which bids compare with them, such as asinh(price / 100).
        price: (T,) prices, currency per MWh.
        sharpness: k, per unit of the scale.
        value_end: (S,) value of each level at the end.
        occupancy_start: (S,) probability of each level at the start.
        uniform_share: share of a uniform distribution over the levels that is mixed into the occupancy of the
            gradient, so that the policy also learns at states that it rarely visits. Above 0, the gradient is no longer
            that of ``profit``.

    Raises:
        ValueError: bids, offers and prices have different numbers of rows.
    """
    shape = (len(price), bid.shape[1])
    if not bid.shape == offer.shape == shape or scaled_price.shape != price.shape:
        raise ValueError(f"bid, offer and prices must have T rows, got {bid.shape}, {offer.shape} and {price.shape}")
    gradients = np.zeros((2, *shape))
    value, occupancy = np.array(value_end, np.float64), np.array(occupancy_start, np.float64)
    profit = _slice_gradient(
        moves, knots, bid, offer, scaled_price, price, sharpness, uniform_share, value, occupancy, gradients
    )
    return SliceGradient(float(profit), gradients[0], gradients[1], value, occupancy)


@nb.njit(cache=True, fastmath=FAST, nogil=True)
def _slice_gradient(
    moves: MoveTable,
    knots: KnotWeights,
    bid: Array,
    offer: Array,
    scaled_price: Array,
    price: Array,
    sharpness: float,
    uniform_share: float,
    value: Array,
    occupancy: Array,
    gradients: Array,
) -> float:
    """Run the backward and the forward pass; writes ``value``, ``occupancy`` and ``gradients``, returns the profit."""
    rows, size = len(price), len(value)
    # Probabilities of buying and selling, and what each gains over the policy's own value.
    buys, sells = np.empty((rows, size), np.float32), np.empty((rows, size), np.float32)
    buy_gains, sell_gains = np.empty((rows, size), np.float32), np.empty((rows, size), np.float32)
    after = np.empty(size)
    for t in range(rows - 1, -1, -1):
        after[:] = value
        for s in range(size):
            k, w = knots.knot[s], knots.weight[s]
            at_bid = sharpness * (bid[t, k] * (1 - w) + bid[t, k + 1] * w - scaled_price[t])
            at_offer = sharpness * (scaled_price[t] - offer[t, k] * (1 - w) - offer[t, k + 1] * w)
            most = max(0.0, at_bid, at_offer)
            buy, sell = np.exp(at_bid - most), np.exp(at_offer - most)
            total = buy + sell + np.exp(-most)
            buy, sell = buy / total, sell / total
            hold_value = _moved(after, moves, HOLD, s, price[t])
            buy_value = _moved(after, moves, BUY, s, price[t])
            sell_value = _moved(after, moves, SELL, s, price[t])
            value[s] = hold_value + buy * (buy_value - hold_value) + sell * (sell_value - hold_value)
            buys[t, s], sells[t, s] = buy, sell
            buy_gains[t, s], sell_gains[t, s] = buy_value - value[s], sell_value - value[s]
    profit = 0.0
    for s in range(size):
        profit += occupancy[s] * value[s]
    before = np.empty(size)
    for t in range(rows):
        before[:] = occupancy
        occupancy[:] = 0.0
        for s in range(size):
            buy, sell, here = buys[t, s], sells[t, s], before[s]
            _arrive(occupancy, moves, BUY, s, here * buy)
            _arrive(occupancy, moves, HOLD, s, here * (1.0 - buy - sell))
            _arrive(occupancy, moves, SELL, s, here * sell)
            counted = (1.0 - uniform_share) * here + uniform_share / size
            to_bid = sharpness * counted * buy * buy_gains[t, s]
            to_offer = -sharpness * counted * sell * sell_gains[t, s]
            k, w = knots.knot[s], knots.weight[s]
            gradients[0, t, k] += to_bid * (1 - w)
            gradients[0, t, k + 1] += to_bid * w
            gradients[1, t, k] += to_offer * (1 - w)
            gradients[1, t, k + 1] += to_offer * w
    return profit


@nb.njit(cache=True, fastmath=FAST, inline="always")
def _moved(after: Array, moves: MoveTable, move: int, level: int, price: float) -> float:
    """Return the profit of a move plus the value where it ends."""
    target, weight = moves.target[move, level], moves.weight[move, level]
    end: float = after[target] + weight * (after[target + 1] - after[target])
    total: float = end + price * moves.sold_mwh[move, level] - moves.cost[move, level]
    return total


@nb.njit(cache=True, fastmath=FAST, inline="always")
def _arrive(occupancy: Array, moves: MoveTable, move: int, level: int, share: float) -> None:
    """Add a probability to the two levels between which a move ends."""
    target, weight = moves.target[move, level], moves.weight[move, level]
    occupancy[target] += share * (1.0 - weight)
    occupancy[target + 1] += share * weight
