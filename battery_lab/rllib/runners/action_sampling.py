"""Action sampling: greedy or random actions from the outputs of a policy."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical, TorchSquashedGaussian

from battery_lab.common.errors import diverged


def greedy_actions(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return the most likely actions, squashed for a squashed Gaussian, which RLlib (2.60) omits."""
    dist = module.get_inference_action_dist_cls().from_logits(inputs)
    action: torch.Tensor = dist.to_deterministic().sample()
    return dist._squash(action) if isinstance(dist, TorchSquashedGaussian) else action


def sample_actions(dist: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return actions sampled from a distribution class; the most common class needs no distribution object.

    Raises:
        LabError: a number of a continuous distribution is not finite.
    """
    if dist is TorchCategorical:
        # The exponential race of torch.multinomial: it gives the same actions for the same generator.
        return (inputs - torch.empty_like(inputs).exponential_().log_()).argmax(dim=-1)
    if not bool(inputs.isfinite().all()):
        raise diverged("the outputs of the policy")
    action: torch.Tensor = dist.from_logits(inputs).sample()
    return action
