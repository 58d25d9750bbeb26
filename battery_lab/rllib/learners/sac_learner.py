"""SAC learner on whole arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
from ray.rllib.algorithms.sac.sac_learner import (
    LOGPS_KEY,
    QF_LOSS_KEY,
    QF_MAX_KEY,
    QF_MEAN_KEY,
    QF_MIN_KEY,
    QF_TWIN_LOSS_KEY,
    TD_ERROR_MEAN_KEY,
)
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import POLICY_LOSS_KEY, Learner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.core.models.base import ENCODER_OUT
from ray.rllib.utils.metrics import TD_ERROR_KEY
from ray.rllib.utils.numpy import MAX_LOG_NN_OUTPUT, MIN_LOG_NN_OUTPUT
from torch import nn
from torch.nn import functional

from battery_lab.rllib.gradient_step.autograd import Tensors
from battery_lab.rllib.learners.off_policy_learner import WEIGHTS, ArrayOffPolicyLearner, bellman_targets
from battery_lab.rllib.stock_learners import CheckpointedSACLearner

LOG_ALPHA, TARGET_ENTROPY = "log_alpha", "target_entropy"
NOISE, NEXT_NOISE = "noise", "noise_next"
Critic = tuple[nn.Module, nn.Module]


@dataclass(frozen=True, kw_only=True)
class SACLoss:
    """Soft actor-critic loss with a tuned temperature (Haarnoja et al. 2018; discrete: Christodoulou 2019).

    The losses of actor, critics and temperature share one backward pass. Each has gradients for the parameters of its
    own optimizer only.

    Attributes:
        gamma: discount per step.
        discrete: whether actions are discrete levels.
        twin: whether there are two critics.
    """

    gamma: float
    discrete: bool
    twin: bool

    def __call__(self, module: Any, batch: Tensors, coefficients: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Return the sum of all losses, and metrics with the error of each transition."""
        log_alpha = coefficients[LOG_ALPHA]
        alpha = log_alpha.detach().exp()
        parts = self._discrete_parts if self.discrete else self._continuous_parts
        chosen, policy_loss, logp, entropy, values, next_values = parts(module, batch, alpha)
        targets = bellman_targets(batch, next_values, self.gamma)
        critic_losses = [(batch[WEIGHTS] * functional.huber_loss(q, targets, reduction="none")).mean() for q in chosen]
        alpha_loss = -(log_alpha * (coefficients[TARGET_ENTROPY] - entropy)).mean()
        total = policy_loss + alpha_loss + sum(critic_losses)
        errors = torch.stack([(q.detach() - targets).abs() for q in chosen]).mean(0)
        metrics = {
            Learner.TOTAL_LOSS_KEY: total,
            POLICY_LOSS_KEY: policy_loss,
            QF_LOSS_KEY: critic_losses[0],
            "alpha_loss": alpha_loss,
            "alpha_value": alpha[0],
            "log_alpha_value": alpha.log()[0],
            # A copy: a compiled program must not return one of its inputs.
            TARGET_ENTROPY: coefficients[TARGET_ENTROPY].clone(),
            LOGPS_KEY: logp.mean(),
            QF_MEAN_KEY: values.mean(),
            QF_MAX_KEY: values.max(),
            QF_MIN_KEY: values.min(),
            TD_ERROR_MEAN_KEY: errors.mean(),
            TD_ERROR_KEY: errors,
        }
        if self.twin:
            metrics[QF_TWIN_LOSS_KEY] = critic_losses[1]
        return total, {name: value.detach() for name, value in metrics.items()}

    def _discrete_parts(self, module: Any, batch: Tensors, alpha: torch.Tensor) -> Any:
        """Return the parts of the loss for discrete actions, as expectations over all actions."""
        obs, next_obs = batch[Columns.OBS], batch[Columns.NEXT_OBS]
        values = [_value(critic, obs) for critic in self._critics(module)]
        actions = batch[Columns.ACTIONS].long().unsqueeze(1)
        chosen = [value.gather(1, actions).squeeze(1) for value in values]
        logp = functional.log_softmax(_policy(module, obs), dim=-1)
        probability = logp.exp()
        policy_loss = (probability * (alpha * logp - _minimum(values).detach())).sum(-1).mean()
        entropy = -(probability * logp).sum(-1).detach()
        with torch.no_grad():
            next_logp = functional.log_softmax(_policy(module, next_obs), dim=-1)
            minimum = _minimum([_value(critic, next_obs) for critic in self._targets(module)])
            next_values = (next_logp.exp() * (minimum - alpha * next_logp)).sum(-1)
        return chosen, policy_loss, logp, entropy, values[0], next_values

    def _continuous_parts(self, module: Any, batch: Tensors, alpha: torch.Tensor) -> Any:
        """Return the parts of the loss for continuous actions, with gradients through a sampled action."""
        obs, next_obs = batch[Columns.OBS], batch[Columns.NEXT_OBS]
        critics = self._critics(module)
        chosen = [_value(critic, obs, batch[Columns.ACTIONS]).squeeze(-1) for critic in critics]
        action, logp = squashed_sample(_policy(module, obs), batch[NOISE])
        with _frozen(critics):
            sampled_values = _minimum([_value(critic, obs, action).squeeze(-1) for critic in critics])
        policy_loss = (alpha * logp - sampled_values).mean()
        with torch.no_grad():
            next_action, next_logp = squashed_sample(_policy(module, next_obs), batch[NEXT_NOISE])
            targets = self._targets(module)
            minimum = _minimum([_value(critic, next_obs, next_action).squeeze(-1) for critic in targets])
            next_values = minimum - alpha * next_logp
        return chosen, policy_loss, logp, -logp.detach(), sampled_values, next_values

    def _critics(self, module: Any) -> list[Critic]:
        twin = [(module.qf_twin_encoder, module.qf_twin)] if self.twin else []
        return [(module.qf_encoder, module.qf), *twin]

    def _targets(self, module: Any) -> list[Critic]:
        twin = [(module.target_qf_twin_encoder, module.target_qf_twin)] if self.twin else []
        return [(module.target_qf_encoder, module.target_qf), *twin]


class ArraySACLearner(ArrayOffPolicyLearner, CheckpointedSACLearner, SACTorchLearner):  # type: ignore[misc]
    """RLlib's SAC on batches of arrays, with RLlib's critics, target networks and temperature."""

    def loss_function(self) -> SACLoss:
        """Return SAC's loss with RLlib's options."""
        discrete = isinstance(self._rl_module.action_space, gym.spaces.Discrete)
        return SACLoss(gamma=self.config.gamma, discrete=discrete, twin=self.config.twin_q)

    def coefficients(self) -> Tensors:
        """Return the temperature's parameter and the target entropy."""
        entropy = torch.as_tensor(self.target_entropy[DEFAULT_MODULE_ID], dtype=torch.float32, device=self._device)
        return {LOG_ALPHA: self.curr_log_alpha[DEFAULT_MODULE_ID], TARGET_ENTROPY: entropy}

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the columns of a batch from the replay buffer, and the noise for sampling continuous actions."""
        columns = super().tensors(data)
        space = self._rl_module.action_space
        if not isinstance(space, gym.spaces.Discrete):
            shape = (len(columns[Columns.REWARDS]), *space.shape)
            columns |= {name: torch.randn(shape).to(self._device) for name in (NOISE, NEXT_NOISE)}
        return columns


def squashed_sample(inputs: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a sample of a tanh-squashed Gaussian, (B, A), and its log-probability, (B,).

    Args:
        inputs: (B, 2 A) means and log standard deviations.
        noise: (B, A) standard normal.
    """
    mean, log_std = inputs.chunk(2, dim=-1)
    log_std = log_std.clamp(MIN_LOG_NN_OUTPUT, MAX_LOG_NN_OUTPUT)
    raw = mean + log_std.exp() * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    # log(1 - tanh(x)^2), stable for large x (Haarnoja et al. 2018, appendix C).
    jacobian = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))
    return torch.tanh(raw), (normal - jacobian).sum(-1)


def _policy(module: Any, obs: torch.Tensor) -> torch.Tensor:
    inputs: torch.Tensor = module.pi(module.pi_encoder({Columns.OBS: obs})[ENCODER_OUT])
    return inputs


def _value(critic: Critic, obs: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
    encoder, head = critic
    inputs = {Columns.OBS: obs} if action is None else {Columns.OBS: obs, Columns.ACTIONS: action}
    value: torch.Tensor = head(encoder(inputs)[ENCODER_OUT])
    return value


@contextmanager
def _frozen(critics: list[Critic]) -> Iterator[None]:
    """Let gradients pass through the critics without gradients for their parameters."""
    parameters = [p for critic in critics for part in critic for p in part.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


def _minimum(values: list[torch.Tensor]) -> torch.Tensor:
    return values[0] if len(values) == 1 else torch.min(values[0], values[1])
