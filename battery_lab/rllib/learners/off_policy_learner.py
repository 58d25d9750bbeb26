"""What the learners of DQN and SAC share: batches from a replay memory, and target networks."""

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
TARGETS_AT = "battery_lab_targets_at"


class ArrayOffPolicyLearner(ArrayLearner, DQNTorchLearner):  # type: ignore[misc]
    """Takes the gradient steps of an update one after the other, and lets target networks follow after each."""

    unseen_of_modules = (*ArrayLearner.unseen_of_modules, "_forward_train")

    def build(self) -> None:
        """Build RLlib's learner, and find the tensors of its target networks once."""
        super().build()
        self._errors: list[torch.Tensor] = []
        self._target_updates = 0
        self._keeps_errors = bool(self.config.replay_buffer_config.get("prioritised"))
        self._pair_targets()

    def _pair_targets(self) -> None:
        """Find the tensors of the target networks, and those that they follow."""
        pairs = self._rl_module.get_target_network_pairs()
        states = [(main.state_dict(keep_vars=True), target.state_dict(keep_vars=True)) for main, target in pairs]
        both = [(main[name], target[name]) for main, target in states for name in main]
        self._following = [pair for pair in both if pair[0].is_floating_point()]
        # A count of batches, for instance, cannot be followed by a share.
        self._copied = [pair for pair in both if not pair[0].is_floating_point()]

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the columns that the memory drew."""
        columns = data.batch.policy_batches[DEFAULT_MODULE_ID]
        return {name: torch.from_numpy(values).to(self._device) for name, values in columns.items()}

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Take all gradient steps on what the memory drew; the errors go back to it with the metrics."""
        self._errors = []
        return super().update(*args, **kwargs)

    def step(self, batch: Tensors, timesteps: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """Take one gradient step, have the target networks follow, and return figures."""
        figures = dict(super().step(batch, timesteps))
        errors = figures.pop(TD_ERROR_KEY)
        if self._keeps_errors:
            self._errors.append(errors)
        self._follow(int(timesteps.get(NUM_ENV_STEPS_SAMPLED_LIFETIME, 0)))
        return figures

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Move the learning rates on; the target networks have followed already, step by step."""
        TorchLearner.after_gradient_based_update(self, timesteps=timesteps)

    def _follow(self, env_steps: int) -> None:
        """Move the target networks a fraction ``tau`` towards the online ones, where it is time."""
        if env_steps - self.last_update_ts_by_mid[DEFAULT_MODULE_ID] < self.config.target_network_update_freq:
            return
        main, target = zip(*self._following, strict=True)
        with torch.no_grad():
            if self.config.tau == 1.0:
                torch._foreach_copy_(target, main)
            else:
                torch._foreach_lerp_(target, main, self.config.tau)
            for counted, copy in self._copied:
                copy.copy_(counted)
        self.last_update_ts_by_mid[DEFAULT_MODULE_ID] = env_steps
        self._target_updates += 1

    def _log(self, figures: Mapping[str, torch.Tensor], number: int, size: int) -> None:
        super()._log(figures, number, size)
        if self._errors:
            errors = torch.cat(self._errors)
            self.metrics.log_value((DEFAULT_MODULE_ID, TD_ERROR_KEY), errors, reduce="item_series")
        done, self._target_updates = self._target_updates, 0
        self.metrics.log_value((DEFAULT_MODULE_ID, NUM_TARGET_UPDATES), done, reduce="lifetime_sum")
        last = self.last_update_ts_by_mid[DEFAULT_MODULE_ID]
        self.metrics.log_value((DEFAULT_MODULE_ID, LAST_TARGET_UPDATE_TS), last, reduce="max")

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state, and when the target networks followed last, which RLlib (2.60) forgets."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {TARGETS_AT: dict(self.last_update_ts_by_mid)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        self.last_update_ts_by_mid.update(state.get(TARGETS_AT, {}))
        self._target_updates, self._errors = 0, []


def bellman_targets(batch: Tensors, values: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return what a value should be: n rewards and the discounted ``values`` of what follows, (B,)."""
    going_on = 1.0 - batch[Columns.TERMINATEDS].float()
    return batch[Columns.REWARDS] + gamma ** batch[N_STEP] * going_on * values
