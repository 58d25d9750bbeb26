"""RLlib's distributions; the commonest, over discrete actions, in a few steps and without checks of every call."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical


class Categorical:
    """The same figures as RLlib's ``TorchCategorical``."""

    def __init__(self, logits: torch.Tensor) -> None:
        """Take scores, (B, A); an action whose score is infinitely low is not allowed."""
        # Finite, as 0 times infinity is no number.
        self._logs = torch.log_softmax(logits, -1).clamp(min=torch.finfo(logits.dtype).min)

    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of the probabilities of actions, (B,)."""
        return self._logs.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> torch.Tensor:
        """Return entropies, (B,)."""
        return -(self._logs.exp() * self._logs).sum(-1)

    def kl(self, other: Categorical) -> torch.Tensor:
        """Return how far others diverge from these, (B,)."""
        return (self._logs.exp() * (self._logs - other._logs)).sum(-1)


def distribution(kind: Any, inputs: torch.Tensor) -> Any:
    """Return a distribution of one of RLlib's kinds from what a policy gives, (B, ...)."""
    return Categorical(inputs) if kind is TorchCategorical else kind.from_logits(inputs)
