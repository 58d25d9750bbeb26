"""DQN learner on whole arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from ray.rllib.algorithms.dqn.dqn_learner import (
    QF_LOSS_KEY,
    QF_MAX_KEY,
    QF_MEAN_KEY,
    QF_MIN_KEY,
    QF_PREDS,
    TD_ERROR_MEAN_KEY,
)
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import Learner
from ray.rllib.utils.metrics import TD_ERROR_KEY
from torch.nn import functional

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.gradient_step.autograd import Tensors
from battery_lab.rllib.learners.off_policy_learner import WEIGHTS, ArrayOffPolicyLearner, bellman_targets


@dataclass(frozen=True, kw_only=True)
class DQNLoss:
    """Temporal-difference loss with a target network (Mnih et al. 2015; double: van Hasselt et al. 2016).

    Attributes:
        gamma: discount per step.
        double: whether the online network chooses the action that the target network evaluates.
        huber: whether to use the Huber loss instead of the squared error.
    """

    gamma: float
    double: bool
    huber: bool

    def __call__(self, module: Any, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the loss, and metrics with the error of each transition."""
        next_batch = {Columns.OBS: batch[Columns.NEXT_OBS]}
        with torch.no_grad():
            next_values = module.forward_target(next_batch)[QF_PREDS]
            ranking = module.compute_q_values(next_batch)[QF_PREDS] if self.double else next_values
            best = next_values.gather(1, ranking.argmax(1, keepdim=True)).squeeze(1)
            targets = bellman_targets(batch, best, self.gamma)
        values = module.compute_q_values({Columns.OBS: batch[Columns.OBS]})[QF_PREDS]
        chosen = values.gather(1, batch[Columns.ACTIONS].long().unsqueeze(1)).squeeze(1)
        distance = functional.huber_loss if self.huber else functional.mse_loss
        loss = (batch[WEIGHTS] * distance(chosen, targets, reduction="none")).mean()
        chosen = chosen.detach()
        errors = (chosen - targets).abs()
        return loss, {
            Learner.TOTAL_LOSS_KEY: loss.detach(),
            QF_LOSS_KEY: loss.detach(),
            QF_MEAN_KEY: chosen.mean(),
            QF_MAX_KEY: chosen.max(),
            QF_MIN_KEY: chosen.min(),
            TD_ERROR_MEAN_KEY: errors.mean(),
            TD_ERROR_KEY: errors,
        }


class ArrayDQNLearner(ArrayOffPolicyLearner):
    """RLlib's DQN on batches of arrays: double and dueling, but not distributional."""

    def loss_function(self) -> DQNLoss:
        """Return DQN's loss with RLlib's options.

        Raises:
            ConfigError: ``num_atoms`` is above 1.
        """
        config = self.config
        if config.num_atoms > 1:
            raise ConfigError("rollout=array does not support num_atoms above 1: use rollout=stock, which does")
        return DQNLoss(gamma=config.gamma, double=config.double_q, huber=config.td_error_loss_fn == "huber")
