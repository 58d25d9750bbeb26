"""RLlib's runner with all of its state in checkpoints."""

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
# Between the seeds of runners, a prime above what seeds of trials differ by; and RLlib's own, of evaluation.
SEEDS_APART, EVALUATION_APART = 7919, 1_000_000


class RunnerMakesIt:
    """Stands where RLlib wants an environment; the runner makes the real one.

    A class in this place needs no registry, and so no Ray cluster, where all runs in one process.
    """


class LabEnvRunner(SingleAgentEnvRunner):  # type: ignore[misc]
    """Goes on, after a restore, in the very step at which it was saved.

    RLlib's checkpoints hold no environment, no episode in progress and no generator (2.60), so that a resumed run
    would be another run.
    """

    def make_env(self) -> None:
        """Make this runner's environments.

        Each runner draws its own episodes. RLlib gives those of one environment function the same (ray issue 46986),
        and to runners seeds that are 1 apart, which trials have too: the second runner of one trial would draw what
        the first of the next one does.
        """
        if (before := getattr(self, "env", None)) is not None:
            before.close()
        options, index = self.config.env_config, self.worker_index or 0
        self._seed = options["seed"] + SEEDS_APART * index + EVALUATION_APART * self.config.in_evaluation
        if index:  # runners in the training's own process draw as it does
            update_global_seed_if_necessary(self.config.framework_str, self._seed)
        self.env = self._wrapped(options["make_env"](self.config.num_envs_per_env_runner, self._seed))
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

    def _wrapped(self, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        """Return an environment as this runner steps it: RLlib's wants a list of infos."""
        return DictInfoToList(env)

    def sample(self, **kwargs: Any) -> list[Any]:
        """Sample as RLlib does, without keeping the chunks of long episodes for their metrics.

        A 30-day episode has 8,640 steps; its return says less than the environment's account, which is logged.
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
        """Return RLlib's state, and that of environment, episodes in progress and generators."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if components is None and self.env is not None and not self._needs_initial_reset:
            state[SAMPLING] = self._sampling_state() | {"generators": generator_state()}
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
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
    """Return the state of this process's generators: Python's, NumPy's and torch's."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def set_generator_state(state: dict[str, Any]) -> None:
    """Restore what ``generator_state`` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
