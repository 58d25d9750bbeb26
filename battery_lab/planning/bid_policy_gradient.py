"""Bid policy gradient: value of a softened bidding policy along a price path and its gradient, exact on an energy grid.

A price taker does not affect prices. Along a given price path, backward induction over stored energy therefore gives
the value of a policy at every state of charge, and a forward pass gives the probability of every state. Together they
give the gradient of the expected reward with respect to every bid and offer, without a single sampled action (Sinclair
et al. 2022, "Hindsight Learning for MDPs with Exogenous Inputs", arXiv 2207.06272; Alvo et al. 2023, "Neural Inventory
Control in Networks via Hindsight Differentiable Policy Optimization", arXiv 2306.11246).

A policy gives a bid and an offer at each of M knots over the state of charge, linear in between. It is softened: with
price p, bid b and offer o, all on one scale, it buys, holds or sells with probabilities proportional to exp(k (b - p)),
1 and exp(k (p - o)). As the sharpness k grows, this becomes the clearing of ``bid_clearing`` on that scale.

Moves are those of the battery's physics at full power, from every level of an evenly spaced grid of stored energy.
Where a move ends between two levels, value and probability are split linearly between them, which keeps the mean
energy. This covers partial delivery at limits, self-discharge, and any battery and interval.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.bidding_interface import SliceGradient
from battery_lab.planning.bellman_backup import VECTORISED
from battery_lab.planning.move_table import BUY, HOLD, SELL, MoveTable


class KnotWeights(NamedTuple):
    """Linear interpolation between M knots, for each level.

    Attributes:
        knots: number of knots.
        knot: (S,) knot below each level.
        weight: (S,) weight of the knot above it.
    """

    knots: int
    knot: NDArray[np.int64]
    weight: Array


def knot_weights(battery: Battery, energy_mwh: Array, knots: int) -> KnotWeights:
    """Return the interpolation between evenly spaced knots from ``soc_min`` to ``soc_max``, flat beyond them.

    Args:
        battery: the battery.
        energy_mwh: (S,) stored energy.
        knots: number of knots M, at least 2.

    Raises:
        ValueError: there are too few knots.
    """
    if knots < 2:
        raise ValueError(f"knots must be at least 2, got {knots}")
    low, high = battery.energy_min_mwh, battery.energy_max_mwh
    position = np.clip((energy_mwh - low) / (high - low), 0.0, 1.0) * (knots - 1)
    knot = np.minimum(position.astype(np.int64), knots - 2)
    return KnotWeights(knots, knot, position - knot)


def slice_gradient(
    moves: MoveTable,
    knots: KnotWeights,
    bid: Array,
    offer: Array,
    scaled_price: Array,
    reward: NDArray[np.floating],
    *,
    sharpness: float,
    value_end: Array,
    occupancy_start: Array,
    uniform_share: float = 0.0,
) -> SliceGradient:
    """Return the value and gradient of a softened policy on T intervals.

    Args:
        moves: the battery's moves.
        knots: interpolation of bids and offers at the levels.
        bid: (T, M) bids at the knots, on the scale of ``scaled_price``; finite.
        offer: (T, M) offers at the knots.
        scaled_price: (T,) prices on a scale on which bids compare with them, such as asinh(price / 100).
        reward: (T, 3, S) reward of each move from each level.
        sharpness: k, per unit of the scale.
        value_end: (S,) value of each level at the end.
        occupancy_start: (S,) probability of each level at the start.
        uniform_share: share of a uniform distribution over the levels from ``soc_min`` that is mixed into the occupancy
            of the gradient, so that the policy also learns at states that it rarely visits. Above 0, the gradient is no
            longer that of ``value``.

    Raises:
        ValueError: shapes do not match, or a number is not finite.
    """
    rows, size = (len(scaled_price), knots.knots), (len(moves.energy_mwh),)
    arrays = {
        "bid": (bid, rows),
        "offer": (offer, rows),
        "scaled_price": (scaled_price, rows[:1]),
        "reward": (reward, (*rows[:1], *moves.target.shape)),
        "value_end": (value_end, size),
        "occupancy_start": (occupancy_start, size),
        "knots.knot": (knots.knot, size),
    }
    for name, (values, shape) in arrays.items():
        # One infinity or NaN makes the sum infinite or NaN.
        if np.shape(values) != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {np.shape(values)}")
        if not np.isfinite(np.sum(values)):
            raise ValueError(f"{name} must be finite")
    bid, offer, scaled_price, reward = (np.ascontiguousarray(x, np.float64) for x in (bid, offer, scaled_price, reward))
    value, occupancy = np.array(value_end, np.float64), np.array(occupancy_start, np.float64)
    policy = np.empty((4, rows[0], *size))
    _value(moves, knots, bid, offer, scaled_price, reward, float(sharpness), value, policy)
    expected = float(occupancy @ value)
    gradients = np.zeros((2, *rows))
    _gradient(moves, knots, policy, float(sharpness), float(uniform_share), occupancy, gradients)
    return SliceGradient(expected, gradients[0], gradients[1], value, occupancy)


@nb.njit(cache=True, fastmath=VECTORISED, nogil=True)
def _value(
    moves: MoveTable,
    knots: KnotWeights,
    bid: Array,
    offer: Array,
    scaled_price: Array,
    reward: Array,
    sharpness: float,
    value: Array,
    policy: Array,
) -> None:
    """Run the backward pass: turn ``value`` at the end into ``value`` at the start.

    Writes into (4, T, S) ``policy``: the probabilities of buying and of selling, and what each gains over the value.
    """
    after = np.empty_like(value)
    for t in range(len(scaled_price) - 1, -1, -1):
        after[:] = value
        for s in range(len(value)):
            k, w = knots.knot[s], knots.weight[s]
            at_bid = sharpness * (bid[t, k] * (1 - w) + bid[t, k + 1] * w - scaled_price[t])
            at_offer = sharpness * (scaled_price[t] - offer[t, k] * (1 - w) - offer[t, k + 1] * w)
            most = max(0.0, at_bid, at_offer)
            buy, hold, sell = np.exp(at_bid - most), np.exp(-most), np.exp(at_offer - most)
            total = buy + hold + sell
            buy, sell = buy / total, sell / total
            hold_value = _moved(after, moves, HOLD, s) + reward[t, HOLD, s]
            buy_value = _moved(after, moves, BUY, s) + reward[t, BUY, s]
            sell_value = _moved(after, moves, SELL, s) + reward[t, SELL, s]
            value[s] = hold_value + buy * (buy_value - hold_value) + sell * (sell_value - hold_value)
            policy[0, t, s], policy[1, t, s] = buy, sell
            policy[2, t, s], policy[3, t, s] = buy_value - value[s], sell_value - value[s]


@nb.njit(cache=True, fastmath=VECTORISED, nogil=True)
def _gradient(
    moves: MoveTable,
    knots: KnotWeights,
    policy: Array,
    sharpness: float,
    uniform_share: float,
    occupancy: Array,
    gradients: Array,
) -> None:
    """Run the forward pass: turn ``occupancy`` at the start into that at the end; fill (2, T, M) ``gradients``."""
    before, uniform = np.empty_like(occupancy), uniform_share / (len(occupancy) - moves.floor)
    for t in range(policy.shape[1]):
        before[:] = occupancy
        occupancy[:] = 0.0
        for s in range(len(occupancy)):
            buy, sell, here = policy[0, t, s], policy[1, t, s], before[s]
            _arrive(occupancy, moves, BUY, s, here * buy)
            _arrive(occupancy, moves, HOLD, s, here * max(1.0 - buy - sell, 0.0))
            _arrive(occupancy, moves, SELL, s, here * sell)
            counted = (1.0 - uniform_share) * here + (uniform if s >= moves.floor else 0.0)
            to_bid = sharpness * counted * buy * policy[2, t, s]
            to_offer = -sharpness * counted * sell * policy[3, t, s]
            k, w = knots.knot[s], knots.weight[s]
            gradients[0, t, k] += to_bid * (1 - w)
            gradients[0, t, k + 1] += to_bid * w
            gradients[1, t, k] += to_offer * (1 - w)
            gradients[1, t, k + 1] += to_offer * w


@nb.njit(cache=True, fastmath=VECTORISED, inline="always")
def _moved(after: Array, moves: MoveTable, move: int, level: int) -> float:
    """Return the value where a move ends."""
    target, weight = moves.target[move, level], moves.weight[move, level]
    end: float = after[target] + weight * (after[target + 1] - after[target])
    return end


@nb.njit(cache=True, fastmath=VECTORISED, inline="always")
def _arrive(occupancy: Array, moves: MoveTable, move: int, level: int, share: float) -> None:
    """Add a probability to the two levels between which a move ends."""
    target, weight = moves.target[move, level], moves.weight[move, level]
    occupancy[target] += share * (1.0 - weight)
    occupancy[target + 1] += share * weight
