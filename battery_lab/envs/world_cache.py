"""World cache: environments with their data, opened once per process, here and in env runners."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from battery_lab.common.errors import ConfigError
from battery_lab.envs.interfaces import Environment, TrainingVectorEnv, World

_OPENED: dict[str, World] = {}
NEEDED = ("take_log", "get_state", "set_state")


@dataclass(frozen=True, kw_only=True)
class WorldSource:
    """A world as its parameters, which travel to other processes; the data stay where they are.

    Attributes:
        env: the environment's parameters.
        actions: the kind of actions.
        observation_state: the state that an earlier world fitted on its training period; None fits a new one.
        token: identifies the world within a process.
    """

    env: Environment
    actions: str
    observation_state: Mapping[str, Any] | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> World:
        """Return the world; the first call in a process loads it."""
        if self.token not in _OPENED:
            # Keep one: a process that runs trials one after another would accumulate their data.
            _OPENED.clear()
            _OPENED[self.token] = self.env.open(self.actions, self.observation_state)
        return _OPENED[self.token]

    def vector_env(self, num_envs: int, seed: int) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Make a vector environment on the training period.

        Raises:
            ConfigError: it lacks a method that training needs.
        """
        env = self.open().vector_env(num_envs, seed)
        if not isinstance(env, TrainingVectorEnv):
            missing = (
                ", ".join(name for name in NEEDED if not hasattr(env, name)) or "a method of gymnasium's VectorEnv"
            )
            raise ConfigError(
                f"the environment {type(env).__name__} must implement {missing} to be trained: "
                "see TrainingVectorEnv in battery_lab/envs/interfaces.py"
            )
        return env
