"""Replay buffer of the plain torch loops, and the stepper that fills it from a vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Replay:
    """Uniform replay of the latest transitions, each stored with both observations."""

    def __init__(self, capacity: int, observation: int, action: Tensor) -> None:
        """Allocate memory; ``action`` is an example, for its shape and dtype."""
        self._capacity, self._next, self.count = capacity, 0, 0
        self._parts = [
            torch.empty(capacity, observation),
            torch.empty(capacity, observation),
            torch.empty(capacity, *action.shape, dtype=action.dtype),
            torch.empty(capacity),
            torch.empty(capacity),
        ]

    def add(self, *parts: Tensor) -> None:
        """Add (N, ...) observations, next observations, actions, rewards and termination flags."""
        places = (self._next + torch.arange(len(parts[0]))) % self._capacity
        for kept, new in zip(self._parts, parts, strict=True):
            kept[places] = new.to(kept.dtype)
        self._next = int(places[-1] + 1) % self._capacity
        self.count = min(self.count + len(places), self._capacity)

    def draw(self, batch: int) -> list[Tensor]:
        """Return a random batch of each column."""
        places = torch.randint(self.count, (batch,))
        return [kept.index_select(0, places) for kept in self._parts]


class Stepper:
    """Steps a vector environment that resets on the step after the end of an episode, and stores its transitions."""

    def __init__(self, env: Any, memory: Replay) -> None:
        self._env, self._memory = env, memory
        self.observation = torch.from_numpy(env.reset()[0])
        self._ended = np.zeros(env.num_envs, bool)
        self.env_steps = 0

    def step(self, actions: Tensor) -> None:
        """Take a step and store it, except in environments that only reset."""
        after, reward, terminated, truncated, _ = self._env.step(actions.numpy())
        live = torch.from_numpy(np.flatnonzero(~self._ended))
        parts = (self.observation, torch.from_numpy(after), actions)
        flags = (torch.from_numpy(reward), torch.from_numpy(terminated))
        self._memory.add(*(part[live] for part in (*parts, *flags)))
        self.observation, self._ended = parts[1], terminated | truncated
        self.env_steps += len(live)
