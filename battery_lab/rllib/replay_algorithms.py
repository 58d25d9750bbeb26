"""Replay algorithms: RLlib's DQN and SAC on whole arrays."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.algorithms import dqn, sac
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    REPLAY_BUFFER_ADD_DATA_TIMER,
    REPLAY_BUFFER_SAMPLE_TIMER,
    TD_ERROR_KEY,
    TIMERS,
)

from battery_lab.rllib.array_algorithm import ArrayAlgorithm
from battery_lab.rllib.replay.transition_replay import TransitionReplay

OWED = "battery_lab_updates_owed"
BATCHES_PER_SAMPLE = 8  # batches sampled from the buffer at once; more need memory and are not faster

log = logging.getLogger(__name__)
# The command shows only warnings by default, but the memory that the buffer needs is worth a line.
log.setLevel(logging.INFO)


class ArrayReplayAlgorithm(ArrayAlgorithm, dqn.DQN):  # type: ignore[misc]
    """RLlib's loop of sampling and learning with an array replay buffer.

    ``training_intensity`` holds exactly: the fraction of a gradient step that is left over is carried to the next
    round.
    """

    local_replay_buffer: TransitionReplay
    updates_due = 0.0

    def training_step(self) -> None:
        """Sample once, then take the gradient steps that are due."""
        fragments = self.sample_fragments()
        if not fragments:
            return
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_ADD_DATA_TIMER)):
            first = len(self.local_replay_buffer) == 0
            self.local_replay_buffer.add(fragments)
        if first:
            log.info("%s", self.local_replay_buffer.describe())
        sampled = self.env_steps
        if sampled < self.config.num_steps_sampled_before_learning_starts:
            self.report_metrics()
            return
        self.updates_due += (
            sum(map(len, fragments)) * self.config.training_intensity / self.config.total_train_batch_size
        )
        due, timesteps = int(self.updates_due), {NUM_ENV_STEPS_SAMPLED_LIFETIME: sampled}
        self.updates_due -= due
        while due > 0:
            # Samples of nearly equal size reuse the same arrays.
            steps = -(-due // -(-due // self._batches_per_sample))
            due -= steps
            self._learn(steps, timesteps)
        self.sync_weights()
        self.report_metrics()

    @property
    def _batches_per_sample(self) -> int:
        # The TD errors of one batch change the priorities of the next.
        return 1 if self._prioritised else BATCHES_PER_SAMPLE

    @property
    def _prioritised(self) -> bool:
        return bool(self.config.replay_buffer_config["prioritised"])

    def _learn(self, steps: int, timesteps: dict[str, Any]) -> None:
        """Take ``steps`` gradient steps."""
        size = self.config.total_train_batch_size
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_SAMPLE_TIMER)):
            columns = self.local_replay_buffer.sample(steps * size)
            batch = MultiAgentBatch({DEFAULT_MODULE_ID: SampleBatch(columns)}, env_steps=steps * size)
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            results = self.learner_group.update(
                batch=batch,
                timesteps=timesteps,
                minibatch_size=self.config.train_batch_size_per_learner,
                # TD errors are part of the metrics.
                reports=self._prioritised or not self.is_local,
            )
        results = [result for result in results if result]
        modules = [result[DEFAULT_MODULE_ID] for result in results]
        errors = [module.pop(TD_ERROR_KEY) for module in modules if TD_ERROR_KEY in module]
        if errors:
            batches = [np.concatenate([np.asarray(part) for part in error.peek()]) for error in errors]
            self.local_replay_buffer.update_priorities(np.concatenate(batches))
        if results:
            self.metrics.aggregate(results, key=LEARNER_RESULTS)

    def save_memory(self, folder: Path, previous: Path | None) -> None:
        """Save the replay buffer to a folder; files that have not changed since ``previous`` become hard links."""
        self.local_replay_buffer.save(folder, previous)

    def load_memory(self, folder: Path) -> None:
        """Load a replay buffer that ``save_memory`` saved."""
        self.local_replay_buffer.load(folder)

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the gradient steps that are due."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {OWED: self.updates_due}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)
        self.updates_due = state.get(OWED, 0.0)

    def _create_local_replay_buffer_if_necessary(self, config: Any) -> TransitionReplay:
        options = {name: value for name, value in config["replay_buffer_config"].items() if name != "type"}
        return TransitionReplay(
            **options, n_step=config["n_step"], gamma=config["gamma"], runners=max(1, config["num_env_runners"])
        )


class ArrayDQN(ArrayReplayAlgorithm):
    """RLlib's DQN on whole arrays."""


class ArraySAC(ArrayReplayAlgorithm, sac.SAC):  # type: ignore[misc]
    """RLlib's SAC on whole arrays."""
