"""One battery as a plain gymnasium environment, for libraries that step one at a time."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.vector_env import BatteryVectorEnv

Observation = NDArray[np.float32]


class BatteryEnv(gym.Env[Observation, Any]):
    """The vector environment with one battery; spaces, rewards and episodes are its.

    Attributes:
        vector: the environment of one battery that does the work.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, vector: BatteryVectorEnv) -> None:
        """Take a vector environment of one, not staggered."""
        if vector.num_envs != 1:
            raise ValueError(f"a single environment wraps a vector environment of 1, got one of {vector.num_envs}")
        self.vector = vector
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; returns a (D,) observation and an empty info."""
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed, options=options)
        return observation[0], info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Dispatch one interval."""
        observation, reward, terminated, truncated, info = self.vector.step(np.asarray(action)[None])
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), info
