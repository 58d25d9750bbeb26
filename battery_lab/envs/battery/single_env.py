"""Single-battery environment: a plain ``gymnasium.Env`` for libraries without vector environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.vector_env import BatteryVectorEnv

Observation = NDArray[np.float32]


class BatteryEnv(gym.Env[Observation, Any]):
    """One battery; spaces, rewards and episodes are those of ``BatteryVectorEnv``.

    Attributes:
        vector: the wrapped vector environment of one battery.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, vector: BatteryVectorEnv) -> None:
        """Wrap a vector environment of one battery, which must not be staggered."""
        if vector.num_envs != 1:
            raise ValueError(f"vector.num_envs must be 1, got {vector.num_envs}")
        self.vector = vector
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; returns a (D,) observation and an empty info."""
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed, options=options)
        return observation[0], info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Dispatch one interval."""
        observation, reward, terminated, truncated, info = self.vector.step(np.asarray(action)[None])
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), info
