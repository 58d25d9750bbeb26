"""Fast categorical distribution for discrete actions; it skips the checks that RLlib's makes in every call."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical


class Categorical:
    """Categorical distribution with the same results as RLlib's ``TorchCategorical``."""

    def __init__(self, logits: torch.Tensor) -> None:
        """Normalise logits, (B, A); a logit of minus infinity excludes the action."""
        # Clamped to a finite value: 0 times infinity would be nan.
        self._logs = torch.log_softmax(logits, -1).clamp(min=torch.finfo(logits.dtype).min)

    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the log-probabilities of actions, (B,)."""
        return self._logs.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> torch.Tensor:
        """Return entropies, (B,)."""
        return -(self._logs.exp() * self._logs).sum(-1)

    def kl(self, other: Categorical) -> torch.Tensor:
        """Return the Kullback-Leibler divergence from this distribution to another, (B,)."""
        return (self._logs.exp() * (self._logs - other._logs)).sum(-1)


def distribution(kind: Any, inputs: torch.Tensor) -> Any:
    """Return the distribution of an RLlib class for a policy's outputs, (B, ...)."""
    return Categorical(inputs) if kind is TorchCategorical else kind.from_logits(inputs)
