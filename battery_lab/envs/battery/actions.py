"""How a policy's actions become requests for power."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import require, require_choice
from battery_lab.envs.base import ActionMeaning

KINDS = ("discrete", "continuous")


@dataclass(frozen=True, kw_only=True)
class ActionSet:
    """Levels of power, or any power.

    Attributes:
        kind: ``discrete`` or ``continuous``.
        levels: how many levels a discrete set has, from full charge over hold to full discharge; odd.
        power_mw: full power.
    """

    kind: str
    levels: int
    power_mw: float

    def __post_init__(self) -> None:
        require_choice("env.actions", self.kind, KINDS)
        rule = "must be an odd number from 3 to 201, so that holding is one of the levels"
        require(self.levels % 2 == 1 and 3 <= self.levels <= 201, "env.action_levels", rule, self.levels)

    @property
    def space(self) -> gym.Space[Any]:
        """The action space of one battery."""
        if self.kind == "discrete":
            return gym.spaces.Discrete(self.levels)
        return gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    @property
    def meaning(self) -> ActionMeaning:
        """Power at the grid connection, MW, + discharges."""
        levels = self._level_mw if self.kind == "discrete" else (-self.power_mw, self.power_mw)
        return ActionMeaning(name="request_mw", values=tuple(float(level) for level in levels))

    @cached_property
    def _level_mw(self) -> NDArray[np.float64]:
        return np.linspace(-self.power_mw, self.power_mw, self.levels)

    def request_mw(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        """Return (N,) MW, + discharges, for (N,) levels from 0 or (N, 1) fractions of full power."""
        if self.kind == "discrete":
            return self._level_mw[np.asarray(actions, np.int64)]
        return np.clip(np.asarray(actions, np.float64).reshape(-1), -1.0, 1.0) * self.power_mw
