"""Off-policy learner: base class of the DQN and SAC learners, with replayed batches and target networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.utils.metrics import (
    LAST_TARGET_UPDATE_TS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_TARGET_UPDATES,
    TD_ERROR_KEY,
)

from battery_lab.rllib.gradient_step.autograd import Tensors
from battery_lab.rllib.learners.array_learner import ArrayLearner

N_STEP, WEIGHTS = "n_step", "weights"
LAST_TARGET_UPDATE = "battery_lab_targets_at"


class ArrayOffPolicyLearner(ArrayLearner, DQNTorchLearner):  # type: ignore[misc]
    """Takes the gradient steps of an update in order, and updates the target networks after each."""

    unsupported_module_overrides = (*ArrayLearner.unsupported_module_overrides, "_forward_train")

    def build(self) -> None:
        """Build RLlib's learner, and pair the tensors of its networks with those of the target networks."""
        super().build()
        self._errors: list[torch.Tensor] = []
        self._target_updates = 0
        self._keeps_errors = bool(self.config.replay_buffer_config.get("prioritised"))
        self._pair_targets()

    def _pair_targets(self) -> None:
        pairs = self._rl_module.get_target_network_pairs()
        states = [(main.state_dict(keep_vars=True), target.state_dict(keep_vars=True)) for main, target in pairs]
        both = [(main[name], target[name]) for main, target in states for name in main]
        self._averaged = [pair for pair in both if pair[0].is_floating_point()]
        # An integer, such as a count of batches, cannot be averaged.
        self._copied = [pair for pair in both if not pair[0].is_floating_point()]

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the columns of a batch from the replay buffer."""
        columns = data.batch.policy_batches[DEFAULT_MODULE_ID]
        return {name: torch.from_numpy(values).to(self._device) for name, values in columns.items()}

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Take all gradient steps on a replayed batch; its errors return to the buffer with the metrics."""
        self._errors = []
        return super().update(*args, **kwargs)

    def step(self, batch: Tensors, timesteps: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """Take one gradient step, update the target networks, and return metrics."""
        metrics = dict(super().step(batch, timesteps))
        errors = metrics.pop(TD_ERROR_KEY)
        if self._keeps_errors:
            self._errors.append(errors)
        self._update_targets(int(timesteps.get(NUM_ENV_STEPS_SAMPLED_LIFETIME, 0)))
        return metrics

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Update the learning rates; ``step`` has already updated the target networks."""
        TorchLearner.after_gradient_based_update(self, timesteps=timesteps)

    def _update_targets(self, env_steps: int) -> None:
        """Move the target networks a fraction ``tau`` towards the online ones, if an update is due."""
        if env_steps - self.last_update_ts_by_mid[DEFAULT_MODULE_ID] < self.config.target_network_update_freq:
            return
        main, target = zip(*self._averaged, strict=True)
        with torch.no_grad():
            if self.config.tau == 1.0:
                torch._foreach_copy_(target, main)
            else:
                torch._foreach_lerp_(target, main, self.config.tau)
            for online, copy in self._copied:
                copy.copy_(online)
        self.last_update_ts_by_mid[DEFAULT_MODULE_ID] = env_steps
        self._target_updates += 1

    def _log(self, metrics: Mapping[str, torch.Tensor], minibatches: int, size: int) -> None:
        super()._log(metrics, minibatches, size)
        if self._errors:
            errors = torch.cat(self._errors)
            self.metrics.log_value((DEFAULT_MODULE_ID, TD_ERROR_KEY), errors, reduce="item_series")
        updates, self._target_updates = self._target_updates, 0
        self.metrics.log_value((DEFAULT_MODULE_ID, NUM_TARGET_UPDATES), updates, reduce="lifetime_sum")
        last = self.last_update_ts_by_mid[DEFAULT_MODULE_ID]
        self.metrics.log_value((DEFAULT_MODULE_ID, LAST_TARGET_UPDATE_TS), last, reduce="max")

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state, and the time of the last target update, which RLlib (2.60) omits."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {LAST_TARGET_UPDATE: dict(self.last_update_ts_by_mid)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state from ``get_state``."""
        super().set_state(state)
        self.last_update_ts_by_mid.update(state.get(LAST_TARGET_UPDATE, {}))
        self._target_updates, self._errors = 0, []


def bellman_targets(batch: Tensors, values: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return n-step Bellman targets, (B,): discounted rewards plus the discounted ``values`` of the next state."""
    continues = 1.0 - batch[Columns.TERMINATEDS].float()
    return batch[Columns.REWARDS] + gamma ** batch[N_STEP] * continues * values
