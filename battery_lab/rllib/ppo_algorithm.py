"""PPO algorithm: RLlib's PPO on whole arrays."""

from __future__ import annotations

from ray.rllib.algorithms import ppo
from ray.rllib.core import ALL_MODULES
from ray.rllib.utils.metrics import (
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_MODULE_STEPS_TRAINED_LIFETIME,
    TIMERS,
)

from battery_lab.rllib.array_algorithm import ArrayAlgorithm


class ArrayPPO(ArrayAlgorithm, ppo.PPO):  # type: ignore[misc]
    """RLlib's PPO on whole arrays."""

    def training_step(self) -> None:
        """Sample a batch, take all gradient steps on it, and sync the weights to the runners."""
        fragments = self.sample_fragments(at_least=self.config.total_train_batch_size)
        if not fragments:
            return
        steps_trained = (LEARNER_RESULTS, ALL_MODULES, NUM_MODULE_STEPS_TRAINED_LIFETIME)
        timesteps = {
            NUM_ENV_STEPS_SAMPLED_LIFETIME: self.env_steps,
            NUM_MODULE_STEPS_TRAINED_LIFETIME: self.metrics.peek(steps_trained, default=0),
        }
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            results = self.learner_group.update(
                episodes=fragments,
                timesteps=timesteps,
                num_epochs=self.config.num_epochs,
                minibatch_size=self.config.minibatch_size,
                shuffle_batch_per_epoch=self.config.shuffle_batch_per_epoch,
            )
            self.metrics.aggregate(results, key=LEARNER_RESULTS)
        self.sync_weights()
        self.report_metrics()
