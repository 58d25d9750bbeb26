"""PPO's learner on whole arrays."""

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
from battery_lab.rllib.learners.advantages import generalised_advantages
from battery_lab.rllib.learners.array_learner import ArrayLearner
from battery_lab.rllib.learners.distributions import distribution
from battery_lab.rllib.runners.fragment import Fragment
from battery_lab.rllib.stock_backend import KeepsCoefficients

LEAST_SPREAD = 1e-4  # RLlib's, below which advantages are not blown up further
ENTROPY_COEFF, KL_COEFF = "entropy_coeff", "kl_coeff"


@dataclass(frozen=True, kw_only=True)
class PPOLosses:
    """The clipped surrogate (Schulman et al. 2017, equation 9), with RLlib's clipped value loss and KL term.

    Attributes:
        clip: how far the probability ratio may move.
        value_clip: the largest squared error of the value that is learned from.
        value_coeff: weight of the value loss.
        critic: whether values are learned.
        kl: whether the divergence from the sampling policy counts.
    """

    clip: float
    value_clip: float
    value_coeff: float
    critic: bool
    kl: bool

    def __call__(self, module: Any, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the loss to descend, and its parts."""
        out = module.forward_train({Columns.OBS: batch[Columns.OBS]})
        now = distribution(module.get_train_action_dist_cls(), out[Columns.ACTION_DIST_INPUTS])
        ratio = torch.exp(now.logp(batch[Columns.ACTIONS]) - batch[Columns.ACTION_LOGP])
        advantages = batch[Postprocessing.ADVANTAGES]
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        surrogate = torch.min(advantages * ratio, advantages * clipped)
        entropy = now.entropy()
        loss = (-surrogate - coefficients[ENTROPY_COEFF] * entropy).mean()
        figures = {POLICY_LOSS_KEY: -surrogate.mean(), ENTROPY_KEY: entropy.mean()}
        if self.critic:
            values = module.compute_values(batch, embeddings=out.get(Columns.EMBEDDINGS))
            value_loss, more = self._of_values(values, batch[Postprocessing.VALUE_TARGETS])
            loss, figures = loss + self.value_coeff * value_loss, figures | more
        if self.kl:
            before = distribution(module.get_exploration_action_dist_cls(), batch[Columns.ACTION_DIST_INPUTS])
            divergence = before.kl(now).mean()
            loss = loss + coefficients[KL_COEFF] * divergence
            figures[LEARNER_RESULTS_KL_KEY] = divergence
        figures[Learner.TOTAL_LOSS_KEY] = loss
        return loss, {name: value.detach() for name, value in figures.items()}

    def _of_values(self, values: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        errors = (values - targets) ** 2
        loss = errors.clamp(0, self.value_clip).mean()
        explained = (1 - (targets - values).var() / (targets.var() + SMALL_NUMBER)).clamp(min=-1)
        return loss, {
            VF_LOSS_KEY: loss,
            LEARNER_RESULTS_VF_LOSS_UNCLIPPED_KEY: errors.mean(),
            LEARNER_RESULTS_VF_EXPLAINED_VAR_KEY: explained,
        }


class ArrayPPOLearner(ArrayLearner, KeepsCoefficients):
    """RLlib's PPO: its losses, schedules and coefficients, on fragments.

    One thing is done otherwise: RLlib lengthens each episode by a row without a transition, and counts those rows when
    it standardises advantages; here transitions alone count.
    """

    @classmethod
    def outputs(cls, config: Any) -> tuple[str, ...]:
        """Return what the sampling policy must tell: the probability of its action, and of others if KL counts."""
        return (Columns.ACTION_LOGP, *((Columns.ACTION_DIST_INPUTS,) if config.use_kl_loss else ()))

    def losses(self) -> PPOLosses:
        """Return PPO's losses with RLlib's options."""
        config = self.config
        return PPOLosses(
            clip=config.clip_param,
            value_clip=config.vf_clip_param,
            value_coeff=config.vf_loss_coeff,
            critic=config.use_critic,
            kl=config.use_kl_loss,
        )

    def coefficients(self) -> Tensors:
        """Return the present weights of entropy and divergence."""
        entropy = self.entropy_coeff_schedulers_per_module[DEFAULT_MODULE_ID].get_current_value()
        found = {ENTROPY_COEFF: torch.as_tensor(entropy, dtype=torch.float32, device=self._device)}
        if self.config.use_kl_loss:
            found[KL_COEFF] = self.curr_kl_coeffs_per_module[DEFAULT_MODULE_ID]
        return found

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the transitions of fragments with their advantages and value targets.

        Raises:
            ConfigError: the policy did not tell how likely its actions were.
        """
        needed = set(self.outputs(self.config))
        if missing := {name for fragment in data.episodes for name in needed - set(fragment.outputs)}:
            raise ConfigError(
                f"algo=ppo must be told {', '.join(sorted(missing))} of actions that the policy explored with, and was "
                "not: set explore=True, have the module's _forward_exploration return it, or choose rollout=stock"
            )
        parts = [self._columns(fragment) for fragment in data.episodes if len(fragment)]
        columns = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        columns[Postprocessing.ADVANTAGES] = standardised(columns[Postprocessing.ADVANTAGES])
        return {name: torch.from_numpy(values).to(self._device) for name, values in columns.items()}

    def _columns(self, fragment: Fragment) -> dict[str, NDArray[Any]]:
        values = self._values(fragment.obs)
        advantages: NDArray[np.float32] = generalised_advantages(
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
        seen = torch.from_numpy(obs.reshape(-1, *obs.shape[2:])).to(self._device)
        with torch.no_grad():
            values = self._rl_module.compute_values({Columns.OBS: seen})
        found: NDArray[np.float32] = values.cpu().numpy()
        return found.reshape(obs.shape[:2])


def standardised(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return advantages with mean 0 and spread 1."""
    centred: NDArray[np.float32] = advantages - advantages.mean()
    return centred / max(LEAST_SPREAD, float(advantages.std()))


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
