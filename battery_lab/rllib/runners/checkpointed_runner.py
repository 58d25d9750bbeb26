"""Checkpointed runner: RLlib's runner with its complete state in checkpoints."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from gymnasium.wrappers.vector import DictInfoToList
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core.columns import Columns
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.utils.debug import update_global_seed_if_necessary

SAMPLING = "battery_lab_sampling"
# Seed offsets: per runner, a prime larger than the difference of the seeds of trials; for evaluation, as in RLlib.
RUNNER_SEED_OFFSET, EVALUATION_SEED_OFFSET = 7919, 1_000_000


class EnvPlaceholder:
    """The ``env`` of an RLlib configuration; the runner makes the real environment.

    A class needs no registry, and therefore no Ray cluster, when everything runs in one process.
    """


class CheckpointedEnvRunner(SingleAgentEnvRunner):  # type: ignore[misc]
    """Resumes in the step in which it was saved.

    RLlib's checkpoints (2.60) hold no environment, episode in progress or random generator, so that a resumed run
    would differ from an uninterrupted one.
    """

    def make_env(self) -> None:
        """Make this runner's environments.

        Each runner samples its own episodes. RLlib seeds all runners of one environment function alike (ray issue
        46986), and otherwise with consecutive seeds. Trials have consecutive seeds too: the second runner of one trial
        would sample the same episodes as the first runner of the next.
        """
        if (previous := getattr(self, "env", None)) is not None:
            previous.close()
        options, index = self.config.env_config, self.worker_index or 0
        self._seed = options["seed"] + RUNNER_SEED_OFFSET * index + EVALUATION_SEED_OFFSET * self.config.in_evaluation
        if index:  # the local runner shares the generators of the training process
            update_global_seed_if_necessary(self.config.framework_str, self._seed)
        self.env = self._wrap(options["make_env"](self.config.num_envs_per_env_runner, self._seed))
        self.num_envs = self.env.num_envs
        self._needs_initial_reset = True
        make_callback(
            "on_environment_created",
            callbacks_objects=self._callbacks,
            callbacks_functions=self.config.callbacks_on_environment_created,
            kwargs={
                "env_runner": self,
                "metrics_logger": self.metrics,
                "env": self.env.unwrapped,
                "env_context": EnvContext(options, worker_index=index, num_workers=self.num_workers),
            },
        )

    def _wrap(self, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        """Wrap the environment for this runner: RLlib's expects a list of infos."""
        return DictInfoToList(env)

    def sample(self, **kwargs: Any) -> list[Any]:
        """Sample as RLlib does, but do not keep the chunks of episodes in progress for metrics.

        A 30-day episode has 8,640 steps, and the environment's log says more than its return.
        """
        samples: list[Any] = super().sample(**kwargs)
        self._ongoing_episodes_for_metrics.clear()
        self._done_episodes_for_metrics.clear()
        return samples

    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return RLlib's state and the state of environments, episodes in progress and random generators."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if components is None and self.env is not None and not self._needs_initial_reset:
            state[SAMPLING] = self._sampling_state() | {"generators": generator_state()}
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)
        if SAMPLING not in state:
            return
        self._set_sampling_state(state[SAMPLING])
        self._needs_initial_reset = False
        set_generator_state(state[SAMPLING]["generators"])

    def _sampling_state(self) -> dict[str, Any]:
        cached = self._cached_to_module
        return {
            "env": self.env.unwrapped.get_state(),
            "episodes": self._ongoing_episodes,
            "observation": None if cached is None else cached[Columns.OBS].numpy(),
            "shared": self._shared_data,
        }

    def _set_sampling_state(self, state: Mapping[str, Any]) -> None:
        self.env.unwrapped.set_state(state["env"])
        self._ongoing_episodes = state["episodes"]
        observation = state["observation"]
        self._cached_to_module = None if observation is None else {Columns.OBS: torch.from_numpy(observation)}
        self._shared_data = state["shared"]


def generator_state() -> dict[str, Any]:
    """Return the state of the random generators of this process: Python's, NumPy's and torch's."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def set_generator_state(state: dict[str, Any]) -> None:
    """Restore a state that ``generator_state`` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
