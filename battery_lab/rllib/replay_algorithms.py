"""How DQN and SAC go round between runners, replay memory and learner on whole arrays."""

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
DRAWN_AT_ONCE = 8  # batches that are drawn before the learner takes them; more cost memory and gain nothing

log = logging.getLogger(__name__)
# What a memory takes is worth a line to whoever trains; the command shows warnings alone otherwise.
log.setLevel(logging.INFO)


class ArrayReplayAlgorithm(ArrayAlgorithm, dqn.DQN):  # type: ignore[misc]
    """RLlib's round of sampling and learning with a memory of arrays.

    ``training_intensity`` is kept exactly: what a round does not make up to a whole gradient step, the next ones do.
    """

    local_replay_buffer: TransitionReplay
    _owed = 0.0

    def training_step(self) -> None:
        """Sample once, then take the gradient steps that are due."""
        fragments = self.sampled()
        if not fragments:
            return
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_ADD_DATA_TIMER)):
            first = len(self.local_replay_buffer) == 0
            self.local_replay_buffer.add(fragments)
        if first:
            log.info("%s", self.local_replay_buffer.describe())
        sampled = self.env_steps
        if sampled < self.config.num_steps_sampled_before_learning_starts:
            self.report()
            return
        self._owed += sum(map(len, fragments)) * self.config.training_intensity / self.config.total_train_batch_size
        due, timesteps = int(self._owed), {NUM_ENV_STEPS_SAMPLED_LIFETIME: sampled}
        self._owed -= due
        while due > 0:
            # Parts of nearly one size, for which the memory that is drawn into stays.
            steps = -(-due // -(-due // self._at_once))
            due -= steps
            self._learn(steps, timesteps)
        self.give_weights()
        self.report()

    @property
    def _at_once(self) -> int:
        # Errors of one batch change the odds of the next.
        return 1 if self._prioritised else DRAWN_AT_ONCE

    @property
    def _prioritised(self) -> bool:
        return bool(self.config.replay_buffer_config["prioritised"])

    def _learn(self, steps: int, timesteps: dict[str, Any]) -> None:
        """Take so many gradient steps."""
        size = self.config.total_train_batch_size
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_SAMPLE_TIMER)):
            columns = self.local_replay_buffer.draw(steps * size)
            batch = MultiAgentBatch({DEFAULT_MODULE_ID: SampleBatch(columns)}, env_steps=steps * size)
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            results = self.learner_group.update(
                batch=batch,
                timesteps=timesteps,
                minibatch_size=self.config.train_batch_size_per_learner,
                # Errors come with the metrics.
                reports=self._prioritised or not self.at_hand,
            )
        results = [one for one in results if one]
        errors = [one[DEFAULT_MODULE_ID].pop(TD_ERROR_KEY) for one in results if TD_ERROR_KEY in one[DEFAULT_MODULE_ID]]
        if errors:
            found = np.concatenate([np.concatenate([np.asarray(part) for part in one.peek()]) for one in errors])
            self.local_replay_buffer.update_priorities(found)
        if results:
            self.metrics.aggregate(results, key=LEARNER_RESULTS)

    def save_memory(self, folder: Path, previous: Path | None) -> None:
        """Write the replay memory; what has not changed since ``previous`` is linked and not written again."""
        self.local_replay_buffer.save(folder, previous)

    def load_memory(self, folder: Path) -> None:
        """Read what ``save_memory`` wrote."""
        self.local_replay_buffer.load(folder)

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and what is due."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {OWED: self._owed}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        self._owed = state.get(OWED, 0.0)

    def _create_local_replay_buffer_if_necessary(self, config: Any) -> TransitionReplay:
        options = {name: value for name, value in config["replay_buffer_config"].items() if name != "type"}
        return TransitionReplay(
            **options, n_step=config["n_step"], gamma=config["gamma"], runners=max(1, config["num_env_runners"])
        )


class ArrayDQN(ArrayReplayAlgorithm):
    """RLlib's DQN on whole arrays."""


class ArraySAC(ArrayReplayAlgorithm, sac.SAC):  # type: ignore[misc]
    """RLlib's SAC on whole arrays."""
