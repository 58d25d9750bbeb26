"""CartPole source: Gymnasium's CartPole-v1 environments, as the lab's learners open them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv

from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout


class CartPole(CartPoleVectorEnv):
    """Gymnasium's vector environment with a fixed seed, and the log that the lab's runners read."""

    def __init__(self, num_envs: int, seed: int) -> None:
        super().__init__(num_envs, max_episode_steps=500)
        self._seed: int | None = seed

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset all environments, the first time with the seed of the constructor."""
        seed, self._seed = self._seed if seed is None else seed, None
        return super().reset(seed=seed, options=options)

    def take_log(self) -> dict[str, float]:
        """Return an empty log."""
        return {}


@dataclass(frozen=True)
class CartPoleSource:
    """Source of CartPole environments, in place of the lab's ``WorldSource``."""

    actions = "discrete"

    @property
    def layout(self) -> Layout:
        """Four numbers without a window."""
        return Layout(names=("x", "speed", "angle", "turn"), window_first=0, window_size=0)

    @property
    def action(self) -> ActionMeaning:
        """A push to the left or to the right."""
        return ActionMeaning(names=("push",), values=((-1.0, 1.0),))

    def open(self) -> CartPoleSource:
        """Return itself."""
        return self

    def observation_state(self) -> dict[str, Any]:
        """Return an empty state: nothing was fitted."""
        return {}

    def vector_env(self, num_envs: int, seed: int) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Return CartPole environments."""
        return CartPole(num_envs, seed)
