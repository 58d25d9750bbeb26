"""PPO learner on whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.ppo.ppo import (
    LEARNER_RESULTS_KL_KEY,
    LEARNER_RESULTS_VF_EXPLAINED_VAR_KEY,
    LEARNER_RESULTS_VF_LOSS_UNCLIPPED_KEY,
)
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import ENTROPY_KEY, POLICY_LOSS_KEY, VF_LOSS_KEY, Learner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.utils.numpy import SMALL_NUMBER

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.gradient_step.autograd import Tensors
from battery_lab.rllib.learners.advantages import generalised_advantage_estimates
from battery_lab.rllib.learners.array_learner import ArrayLearner
from battery_lab.rllib.learners.fast_categorical import distribution
from battery_lab.rllib.runners.fragment import Fragment
from battery_lab.rllib.stock_learners import CheckpointedPPOLearner

MIN_STANDARD_DEVIATION = 1e-4  # as in RLlib; advantages are not scaled up further
ENTROPY_COEFF, KL_COEFF = "entropy_coeff", "kl_coeff"


@dataclass(frozen=True, kw_only=True)
class PPOLoss:
    """Clipped surrogate loss (Schulman et al. 2017, equation 9), with RLlib's clipped value loss and KL term.

    Attributes:
        clip: largest change of the probability ratio.
        value_clip: largest squared error of a value.
        value_coeff: weight of the value loss.
        critic: whether to learn a value function.
        kl: whether to add the divergence from the sampling policy.
    """

    clip: float
    value_clip: float
    value_coeff: float
    critic: bool
    kl: bool

    def __call__(self, module: Any, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the loss and its parts."""
        # RLlib's public method visits every layer to set its mode, in each of thousands of steps.
        forward = module._forward_train if module.training else module.forward_train
        outputs = forward({Columns.OBS: batch[Columns.OBS]})
        current = distribution(module.get_train_action_dist_cls(), outputs[Columns.ACTION_DIST_INPUTS])
        ratio = torch.exp(current.logp(batch[Columns.ACTIONS]) - batch[Columns.ACTION_LOGP])
        advantages = batch[Postprocessing.ADVANTAGES]
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        surrogate = torch.min(advantages * ratio, advantages * clipped)
        entropy = current.entropy()
        loss = (-surrogate - coefficients[ENTROPY_COEFF] * entropy).mean()
        metrics = {POLICY_LOSS_KEY: -surrogate.mean(), ENTROPY_KEY: entropy.mean()}
        if self.critic:
            values = module.compute_values(batch, embeddings=outputs.get(Columns.EMBEDDINGS))
            value_loss, value_metrics = self.value_loss(values, batch[Postprocessing.VALUE_TARGETS])
            loss, metrics = loss + self.value_coeff * value_loss, metrics | value_metrics
        if self.kl:
            sampling = distribution(module.get_exploration_action_dist_cls(), batch[Columns.ACTION_DIST_INPUTS])
            divergence = sampling.kl(current).mean()
            loss = loss + coefficients[KL_COEFF] * divergence
            metrics[LEARNER_RESULTS_KL_KEY] = divergence
        metrics[Learner.TOTAL_LOSS_KEY] = loss
        return loss, {name: value.detach() for name, value in metrics.items()}

    def value_loss(self, values: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        """Return the clipped value loss, and metrics of it."""
        errors = (values - targets) ** 2
        loss = errors.clamp(0, self.value_clip).mean()
        explained = (1 - (targets - values).var() / (targets.var() + SMALL_NUMBER)).clamp(min=-1)
        return loss, {
            VF_LOSS_KEY: loss,
            LEARNER_RESULTS_VF_LOSS_UNCLIPPED_KEY: errors.mean(),
            LEARNER_RESULTS_VF_EXPLAINED_VAR_KEY: explained,
        }


class ArrayPPOLearner(ArrayLearner, CheckpointedPPOLearner):
    """RLlib's PPO on fragments, with RLlib's loss, schedules and coefficients.

    There is one difference. RLlib adds a row without a transition to each episode and includes these rows when it
    standardises advantages; this learner includes transitions only.
    """

    @classmethod
    def outputs(cls, config: Any) -> tuple[str, ...]:
        """Return the columns of the sampling policy: log-probabilities, and with the KL term the distributions."""
        return (Columns.ACTION_LOGP, *((Columns.ACTION_DIST_INPUTS,) if config.use_kl_loss else ()))

    def loss_function(self) -> PPOLoss:
        """Return PPO's loss with RLlib's options."""
        config = self.config
        return PPOLoss(
            clip=config.clip_param,
            value_clip=config.vf_clip_param,
            value_coeff=config.vf_loss_coeff,
            critic=config.use_critic,
            kl=config.use_kl_loss,
        )

    def coefficients(self) -> Tensors:
        """Return the current weights of the entropy and of the KL divergence."""
        entropy = self.entropy_coeff_schedulers_per_module[DEFAULT_MODULE_ID].get_current_value()
        coefficients = {ENTROPY_COEFF: torch.as_tensor(entropy, dtype=torch.float32, device=self._device)}
        if self.config.use_kl_loss:
            coefficients[KL_COEFF] = self.curr_kl_coeffs_per_module[DEFAULT_MODULE_ID]
        return coefficients

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the transitions of fragments with their advantages and value targets.

        Raises:
            ConfigError: the policy did not return the log-probabilities of its actions.
        """
        needed = set(self.outputs(self.config))
        if missing := {name for fragment in data.episodes for name in needed - set(fragment.outputs)}:
            raise ConfigError(
                f"algo=ppo needs {', '.join(sorted(missing))} of the actions that the policy explored with: set "
                "explore=True, return them from the module's _forward_exploration, or use rollout=stock"
            )
        parts = [self._columns(fragment) for fragment in data.episodes if len(fragment)]
        columns = {name: _concatenate([part[name] for part in parts]) for name in parts[0]}
        columns[Postprocessing.ADVANTAGES] = standardise(columns[Postprocessing.ADVANTAGES])
        return {name: torch.from_numpy(values).to(self._device) for name, values in columns.items()}

    def _columns(self, fragment: Fragment) -> dict[str, NDArray[Any]]:
        values = self._values(fragment.obs)
        advantages: NDArray[np.float32] = generalised_advantage_estimates(
            fragment.rewards,
            values,
            fragment.terminated,
            fragment.ended,
            fragment.valid,
            self.config.gamma,
            self.config.lambda_,
        )
        columns = {
            Columns.OBS: fragment.obs[:-1],
            Columns.ACTIONS: fragment.actions,
            **fragment.outputs,
            Postprocessing.ADVANTAGES: advantages,
            Postprocessing.VALUE_TARGETS: advantages + values[:-1],
        }
        if fragment.valid.all():
            return {name: rows.reshape(-1, *rows.shape[2:]) for name, rows in columns.items()}
        return {name: rows[fragment.valid] for name, rows in columns.items()}

    def _values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of observations, (T + 1, N)."""
        flat = torch.from_numpy(obs.reshape(-1, *obs.shape[2:])).to(self._device)
        with torch.no_grad():
            values: NDArray[np.float32] = self._rl_module.compute_values({Columns.OBS: flat}).cpu().numpy()
        return values.reshape(obs.shape[:2])


def standardise(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return advantages with mean 0 and standard deviation 1."""
    centred: NDArray[np.float32] = advantages - advantages.mean()
    return centred / max(MIN_STANDARD_DEVIATION, float(advantages.std()))


def _concatenate(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
