"""Bidding interface: what a world with bids provides to learners that differentiate its reward, and to traders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.interfaces import Actor

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]


class SliceGradient(NamedTuple):
    """Value and gradient of a softened bidding policy on a slice of T intervals, with M knots and S levels.

    Attributes:
        value: expected reward of the slice plus the value at its end, from the occupancy at its start.
        bid_gradient: (T, M) gradient of ``value`` with respect to the bids.
        offer_gradient: (T, M) the same for the offers.
        value_start: (S,) value of each level at the start of the slice.
        occupancy_end: (S,) probability of each level at its end.
    """

    value: float
    bid_gradient: Array
    offer_gradient: Array
    value_start: Array
    occupancy_end: Array


class PlannedCurves(NamedTuple):
    """Where observations hold the bids and offers of a plan at M knots.

    Attributes:
        first: the first of their 2 M numbers: the bids, then the offers.
        scale: (2 M,) what a number is multiplied by to be on the scale of ``BiddingProblem.scaled_price``.
        shift: (2 M,) what is added then.
    """

    first: int
    scale: Array
    shift: Array


class BiddingProblem(Protocol):
    """A training period in which actions do not change prices.

    A policy gives a bid and an offer at each of M knots over the state of charge, on the scale of ``scaled_price``.
    Values and occupancies belong to S levels of the state.

    Attributes:
        rows: (T,) intervals to train on, in order of time. Where a number is left out, the series has a gap.
        scaled_price: (T,) their prices on the scale of bids: the scale of the actions, or of the observed price.
        state_numbers: how many numbers at the start of an observation depend on the state of charge; the first one is
            -1 at its minimum and 1 at its maximum.
        price_number: number of an observation that bids are compared with; None if bids are the actions.
        intervals_per_day: dispatch intervals per day.
        planned: the bids of a plan in observations, from which a policy may depart; None if there are none.
    """

    rows: Rows
    scaled_price: Array
    state_numbers: int
    price_number: int | None
    intervals_per_day: int
    planned: PlannedCurves | None

    def observations(self, rows: Rows) -> Float32:
        """Return (N, D) observations of some intervals; the numbers of the state of charge are 0."""

    def first_values(self) -> tuple[Array, Array]:
        """Return a first guess of the (S,) value of each level, and the (S,) uniform occupancy."""

    def value_over_gap(self, value: Array, intervals: int) -> Array:
        """Return the (S,) value of each level before a gap of some intervals, from that after it."""

    def occupancy_over_gap(self, occupancy: Array, intervals: int) -> Array:
        """Return the (S,) probability of each level after a gap of some intervals, from that before it."""

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
        """Return value and gradient of a softened policy.

        Args:
            part: a slice of ``rows``, N intervals without a gap.
            bid: (N, M) bids at the knots.
            offer: (N, M) offers at the knots.
            sharpness: of the softened dispatch, per unit of ``scaled_price``; see planning/bid_policy_gradient.py.
            value_end: (S,) value of each level after the slice.
            occupancy_start: (S,) probability of each level before it.
            uniform_share: share of a uniform occupancy in the gradient.
        """


@runtime_checkable
class PriceTaker(Protocol):
    """A world whose actions do not change its prices."""

    def bidding_problem(self, levels: int, knots: int) -> BiddingProblem:
        """Return the training period on a grid of S = ``levels`` states of charge (more with self-discharge).

        Raises:
            ConfigError: the reward depends on more than the transition, or an observation lacks the price.
        """


@dataclass(frozen=True, kw_only=True)
class BidRequest:
    """The interval and the state that a bid sheet is for.

    Attributes:
        at: start of the interval, on the market's local clock or with a UTC offset; None: the interval after the last
            one with a known price.
        soc: state of charge at its start, a fraction of capacity.
        floor_per_mwh: lowest price of the bands; None: the floor of the market.
        cap_per_mwh: highest price of the bands; None: the cap of the market.
        cycles_today: cycles used before the interval on its local day, of a cap per day; None: not known.
        cycles_this_year: cycles used before the interval since ``year_start``, of a cap per year; None: not known.
        year_start: the local day on which the count of the year began, such as ``2025-07-01``; None: 1 January.
        knots: number of states of charge in the sheet's curve, at least 2.
        price_number: number of an observation that the actor's bids and offers are compared with, and on whose scale
            they are; None if they are its actions.
    """

    at: str | None
    soc: float
    floor_per_mwh: float | None
    cap_per_mwh: float | None
    cycles_today: float | None
    cycles_this_year: float | None
    year_start: str | None
    knots: int
    price_number: int | None


@dataclass(frozen=True, kw_only=True)
class BidSheet:
    """A policy's bid and offer for one dispatch interval.

    Attributes:
        title: the market, the interval and the state of charge, one line.
        known: the prices that the bid depends on, one or two sentences.
        unit: unit of prices, for instance ``AUD/MWh``.
        curve: state of charge, bid and offer, in three columns: one row per knot and one for the requested state of
            charge, in rising order.
        bands: bid and offer at the requested state of charge as ten price bands: one row per direction.
        limits: where the lowest and the highest band come from, one sentence, and more on how much may be sold.
        worth: what stored energy is worth, one sentence.
    """

    title: str
    known: str
    unit: str
    curve: pd.DataFrame
    bands: pd.DataFrame
    limits: str
    worth: str


@runtime_checkable
class BiddingWorld(Protocol):
    """A world in which a policy bids into a market."""

    def bid_sheet(self, actor: Actor, request: BidRequest) -> BidSheet:
        """Return a policy's bid and offer for one interval, from what is known before it.

        Args:
            actor: maps (N, D) observations to its actions, or to (N, 2) bids and offers if ``request.price_number`` is
                given.
            request: the interval and the state.

        Raises:
            ConfigError: the request is wrong, or the actor's actions are no bids.
            DataError: the market lacks what the policy observes.
        """
