"""Adapter of RLlib algorithms: gives one the interface of the learner that the trainer expects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.interfaces import Iteration, Setup
from battery_lab.common.errors import ConfigError
from battery_lab.policies.policy import Policy, policy_from_actor
from battery_lab.rllib.ray_runtime import start_ray_for, without_results_folder

# The sentence that ends each error of RLlib's checks of a configuration.
SUPPRESSION = "To suppress all validation errors"
RLLIB, MEMORY = "rllib", "replay"  # folders of a checkpoint
LOSSES = {
    *("total_loss", "policy_loss", "vf_loss", "vf_loss_unclipped", "entropy"),
    *("qf_loss", "qf_mean", "td_error_mean", "alpha_value"),
}


class RLlibLearner:
    """An RLlib algorithm; see ``Learner`` in ``algos/interfaces.py``.

    Attributes:
        algorithm: the algorithm. If it has ``save_memory`` and ``load_memory``, they store its replay buffer.
    """

    def __init__(
        self,
        config: AlgorithmConfig,
        actor: Callable[[RLModule], tuple[nn.Module, nn.Linear, str]],
        setup: Setup,
    ) -> None:
        """Build the algorithm; starts Ray if the algorithm needs it.

        Args:
            config: its configuration.
            actor: finds the policy in a module; see ``RLlibOptions``.
            setup: the trial.

        Raises:
            ConfigError: the environment cannot be trained on.
        """
        setup.check_env()
        start_ray_for(config)
        with without_results_folder(), _refusals_named():
            self.algorithm: Any = config.build_algo()
        self._actor, self._setup = actor, setup

    def is_waiting(self) -> bool:
        """Return whether the next iteration would wait for the compiler."""
        waits = getattr(self.algorithm, "waits_for_compiler", None)
        return waits is not None and waits()

    def train(self) -> Iteration:
        """Sample and learn once."""
        result = self.algorithm.train()
        steps = int(result["env_runners"]["num_env_steps_sampled_lifetime"])
        return Iteration(steps, {**_environment_metrics(result), **_learner_metrics(result)})

    def policy(self, env_steps: int) -> Policy:
        """Return a copy of the policy in the module that acts."""
        setup = self._setup
        return policy_from_actor(
            self._actor(self.algorithm.env_runner.module),
            setup.network.encoder(setup.layout),
            actions=setup.actions,
            layout=setup.layout,
            action=setup.action,
            observation_state=setup.observation_state,
            env_steps=env_steps,
        )

    def save(self, folder: Path, previous: Path | None) -> None:
        """Write RLlib's checkpoint and the replay buffer."""
        self.algorithm.save_to_path(str((folder / RLLIB).resolve()))
        if hasattr(self.algorithm, "save_memory"):
            self.algorithm.save_memory(folder / MEMORY, previous / MEMORY if previous else None)

    def restore(self, folder: Path) -> None:
        """Restore RLlib's checkpoint and the replay buffer."""
        logging.getLogger("ray.rllib").setLevel(logging.ERROR)
        self.algorithm.restore_from_path(str((folder / RLLIB).resolve()))
        if hasattr(self.algorithm, "load_memory"):
            self.algorithm.load_memory(folder / MEMORY)

    def stop(self) -> None:
        """End the algorithm with its processes."""
        self.algorithm.stop()


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Turn an error of RLlib's own checks of its configuration into a ConfigError."""
    try:
        yield
    except ValueError as error:
        text, mark, _ = str(error).partition(SUPPRESSION)
        if not mark:
            raise
        raise ConfigError(f"RLlib refuses the options of algo: {' '.join(text.split())} Change them") from error


def _environment_metrics(result: Mapping[str, Any]) -> dict[str, float]:
    groups = result["env_runners"].get("lab", {})
    return {f"{group}/{name}": float(value) for group, names in groups.items() for name, value in names.items()}


def _learner_metrics(result: Mapping[str, Any]) -> dict[str, float]:
    losses = result.get("learners", {}).get("default_policy", {})
    return {f"learner/{name}": float(losses[name]) for name in sorted(LOSSES & set(losses))}
