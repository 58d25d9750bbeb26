"""Action sets: the mapping from a policy's actions to requested power."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.envs.interfaces import ActionKind, ActionMeaning

KINDS = ("discrete", "continuous")


class Actions(Protocol):
    """What a policy's actions mean for a battery."""

    @property
    def space(self) -> gym.Space[Any]:
        """The action space of one battery."""

    @property
    def meaning(self) -> ActionMeaning:
        """The requested quantities."""

    def request_mw(self, actions: NDArray[Any], price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (N,) requested power in MW, + discharges.

        Args:
            actions: (N,) discrete or (N, K) continuous actions.
            price: (N,) prices of the interval, currency per MWh, which the policy need not have known.
        """

    def columns(self, actions: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return what the (N,) or (N, K) actions requested besides power, as (N,) arrays by name."""


@options("env")
class ActionSet:
    """Discrete levels of power, or continuous power.

    Attributes:
        kind: ``discrete`` or ``continuous``.
        levels: number of levels of a discrete set, evenly spaced from full charge to full discharge; odd.
        power_mw: full power.
    """

    kind: ActionKind
    levels: Int
    power_mw: Annotated[float, Field(gt=0), Unit("MW")]

    def __post_init__(self) -> None:
        rule = "must be an odd number from 3 to 201, so that one of the levels is to hold"
        require(self.levels % 2 == 1 and 3 <= self.levels <= 201, "env.action_levels", rule, self.levels)

    @property
    def space(self) -> gym.Space[Any]:
        """The action space of one battery."""
        if self.kind == "discrete":
            return gym.spaces.Discrete(self.levels)
        return gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    @property
    def meaning(self) -> ActionMeaning:
        """Requested power at the grid connection, MW, + discharges."""
        levels = self._level_mw if self.kind == "discrete" else (-self.power_mw, self.power_mw)
        return ActionMeaning(names=("request_mw",), values=(tuple(float(level) for level in levels),))

    @cached_property
    def _level_mw(self) -> NDArray[np.float64]:
        return np.linspace(-self.power_mw, self.power_mw, self.levels)

    def columns(self, actions: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return nothing: an action is its request."""
        return {}

    def request_mw(self, actions: NDArray[Any], price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N,) requested power in MW, + discharges.

        Args:
            actions: (N,) indices of levels, or (N, 1) fractions of full power, which are clipped to [-1, 1].
            price: not used: a request does not depend on the price of the interval.
        """
        if self.kind == "discrete":
            return self._level_mw[np.asarray(actions, np.int64)]
        return np.clip(np.asarray(actions, np.float64).reshape(-1), -1.0, 1.0) * self.power_mw
