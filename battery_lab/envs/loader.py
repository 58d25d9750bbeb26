"""Environments with their data, opened once a process, here and in remote runners."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from battery_lab.envs.base import Environment, World

_OPENED: dict[str, World] = {}


@dataclass(frozen=True, kw_only=True)
class WorldSource:
    """A world as its parameters, which travel to other processes; the data stay where they are.

    Attributes:
        env: the environment's parameters.
        actions: the kind of actions.
        observation_state: what an earlier world fitted on its training time; None fits anew.
    """

    env: Environment
    actions: str
    observation_state: Mapping[str, Any] | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> World:
        """Return the world; the first call in a process loads it."""
        if self.token not in _OPENED:
            # One at a time: a process that runs trials one after the other would gather their tables.
            _OPENED.clear()
            _OPENED[self.token] = self.env.open(self.actions, self.observation_state)
        return _OPENED[self.token]

    def vector_env(self, num_envs: int, seed: int) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Make an environment for training time."""
        return self.open().vector_env(num_envs, seed)
