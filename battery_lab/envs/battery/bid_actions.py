"""Bid actions: a bid and an offer as a policy's action, cleared against the price of the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import diverged
from battery_lab.envs.interfaces import ActionKind, ActionMeaning
from battery_lab.planning.bid_clearing import clear

Array = NDArray[np.float64]
NAMES = ("bid_per_mwh", "offer_per_mwh")


@dataclass(frozen=True, kw_only=True)
class PriceScale:
    """The scale of bids: asinh(price / ``squash``), with -1 and 1 at the lowest and the highest training price.

    Attributes:
        squash: median magnitude of the training prices, currency per MWh.
        low: lowest training price, currency per MWh.
        high: highest training price.
        ladder: prices of a discrete bid, in rising order: evenly spaced quantiles of the training prices.
    """

    squash: float
    low: float
    high: float
    ladder: tuple[float, ...]

    @classmethod
    def fit(cls, price: Array, levels: int) -> PriceScale:
        """Fit the scale to (T,) training prices."""
        low, high = float(price.min()), float(price.max())
        squash = max(float(np.median(np.abs(price))), 1e-6)
        if low == high:
            low, high = low - squash, high + squash
        ladder = np.unique(np.quantile(price, np.linspace(0, 1, levels)))
        return cls(squash=squash, low=low, high=high, ladder=tuple(map(float, ladder)))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> PriceScale:
        """Restore what ``dataclasses.asdict`` returned."""
        return cls(**{**stored, "ladder": tuple(stored["ladder"])})

    def to_unit(self, price: Array) -> Array:
        """Return prices on the scale; those beyond the training prices lie beyond -1 and 1."""
        low, high = np.arcsinh(self.low / self.squash), np.arcsinh(self.high / self.squash)
        return np.asarray((np.arcsinh(price / self.squash) - low) / (high - low) * 2 - 1)

    def to_price(self, unit: Array) -> Array:
        """Return the prices of numbers on the scale, currency per MWh."""
        low, high = np.arcsinh(self.low / self.squash), np.arcsinh(self.high / self.squash)
        return np.asarray(np.sinh(low + (unit + 1) / 2 * (high - low)) * self.squash)


@dataclass(frozen=True, kw_only=True)
class BidActions:
    """A bid and an offer: continuous on the scale of prices, or a pair of the ladder's prices.

    Attributes:
        kind: ``continuous`` or ``discrete``.
        power_mw: full power.
        scale: the scale of prices.
    """

    kind: ActionKind
    power_mw: float
    scale: PriceScale

    @property
    def space(self) -> gym.Space[Any]:
        """The action space of one battery."""
        if self.kind == "discrete":
            return gym.spaces.Discrete(len(self._pairs))
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    @property
    def meaning(self) -> ActionMeaning:
        """Bid and offer, currency per MWh."""
        if self.kind == "discrete":
            bids, offers = self._pairs.T.tolist()
            return ActionMeaning(names=NAMES, values=(tuple(bids), tuple(offers)), is_increasing=True)
        ends = (self.scale.low, self.scale.high)
        return ActionMeaning(names=NAMES, values=(ends, ends), squash=self.scale.squash, is_increasing=True)

    @cached_property
    def _pairs(self) -> Array:
        """(A, 2) bid and offer of each discrete action: every pair of the ladder with bid <= offer."""
        ladder = self.scale.ladder
        return np.array([(bid, offer) for k, bid in enumerate(ladder) for offer in ladder[k:]])

    def prices(self, actions: NDArray[Any]) -> Array:
        """Return the (N, 2) bids and offers of actions, currency per MWh; crossed ones are their mean on the scale."""
        if self.kind == "discrete":
            return np.asarray(self._pairs[np.asarray(actions, np.int64)])
        return self.scale.to_price(self._units(actions))

    def request_mw(self, actions: NDArray[Any], price: Array) -> Array:
        """Return the (N,) requested power in MW, + discharges, once the price is known.

        Args:
            actions: (N,) numbers of pairs, or (N, 2) bids and offers on the scale, which are clipped to [-1, 1].
            price: (N,) prices of the interval, currency per MWh.

        Raises:
            LabError: a bid or an offer is not a number.
        """
        units = self._units(actions)
        if np.isnan(units).any():
            raise diverged("the policy's bids")
        return clear(units[:, 0], units[:, 1], self.scale.to_unit(price), self.power_mw)

    def columns(self, actions: NDArray[Any]) -> dict[str, Array]:
        """Return the (N,) bids and offers by name."""
        return dict(zip(NAMES, self.prices(actions).T, strict=True))

    def _units(self, actions: NDArray[Any]) -> Array:
        if self.kind == "discrete":
            return self.scale.to_unit(self._pairs[np.asarray(actions, np.int64)])
        units = np.clip(np.asarray(actions, np.float64).reshape(-1, 2), -1.0, 1.0)
        crossed = units[:, :1] > units[:, 1:]
        return np.where(crossed, units.mean(axis=1, keepdims=True), units)
