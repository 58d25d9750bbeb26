"""Scripted environment: episodes of given lengths, and observations that say where they are from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space


class ScriptedEnv(gym.vector.VectorEnv):
    """Episodes of fixed lengths that terminate or are truncated; an observation is (environment, episode, step)."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, lengths, terminates, num_envs=2, box=False):
        """Make environments whose episodes have the given lengths in turn."""
        self.num_envs = num_envs
        self.lengths, self.terminates = lengths, terminates
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.single_action_space = gym.spaces.Box(-1, 1, (1,)) if box else gym.spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        self.episode = np.zeros(self.num_envs, np.int64)
        self.age = np.zeros(self.num_envs, np.int64)
        self.over = np.zeros(self.num_envs, bool)
        return self._seen(), {}

    def step(self, actions):
        again = self.over.copy()
        self.episode[again] += 1
        self.age = np.where(again, 0, self.age + 1)
        length = np.array(self.lengths)[self.episode % len(self.lengths)]
        self.over = (self.age >= length) & ~again
        terminal = np.array(self.terminates)[self.episode % len(self.terminates)]
        reward = np.where(again, 0.0, self.age + 10.0 * self.episode)
        return self._seen(), reward, self.over & terminal, self.over & ~terminal, {}

    def _seen(self):
        return np.stack([np.arange(self.num_envs), self.episode, self.age], axis=1).astype(np.float32)

    def take_log(self) -> dict[str, float]:
        return {}

    def get_state(self) -> dict[str, Any]:
        return {"episode": self.episode.copy(), "age": self.age.copy(), "over": self.over.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.episode, self.age, self.over = (state[name].copy() for name in ("episode", "age", "over"))
