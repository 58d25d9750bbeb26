"""From observations to actions by RLlib's modules, without what stands around their networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from ray.rllib.algorithms.dqn.dqn_learner import QF_PREDS
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical, TorchSquashedGaussian
from ray.rllib.core.models.base import ENCODER_OUT
from ray.rllib.core.models.torch.heads import TorchMLPHead
from torch import nn
from torch.nn import functional

Batch = dict[str, Any]
Layer = Callable[[torch.Tensor], torch.Tensor]


def exploring(module: Any) -> Callable[[Batch, int], Batch]:
    """Return what maps observations and steps so far to actions, or to inputs of their distribution.

    It calls the module's private methods: those around them go through all of the module at each call to set its mode.
    PPO's layers are called one by one, without the modules around them: for few environments those take as long as a
    layer does.
    """
    if type(module) is DefaultDQNTorchRLModule:
        return partial(_epsilon_greedy, module)
    if type(module) is not DefaultPPOTorchRLModule:
        return lambda batch, steps: dict(module._forward_exploration(batch, t=steps))
    both = module.encoder
    encoder = both.encoder if hasattr(both, "encoder") else both.actor_encoder
    head = module.pi
    layers = _layers(encoder, head)
    if not layers:
        return lambda batch, steps: {Columns.ACTION_DIST_INPUTS: head._forward(encoder._forward(batch)[ENCODER_OUT])}
    return partial(_through, layers)


def _through(layers: Sequence[Layer], batch: Batch, steps: int) -> Batch:
    values = batch[Columns.OBS]
    for layer in layers:
        values = layer(values)
    return {Columns.ACTION_DIST_INPUTS: values}


def _layers(encoder: Any, head: Any) -> list[Layer]:
    """Return what an encoder and a head put one after another; nothing if that is not all they do."""
    network = getattr(encoder, "plain_network", None)
    if network is None or any(_hooked(part) for part in (encoder, head)):
        return []
    simple = type(head) is TorchMLPHead and not head.clip_log_std
    found: list[Layer] = []
    before: object = None
    for part in _in_order(nn.Sequential(network, head.net.mlp) if simple else network):
        if type(part) is nn.Linear:
            found.append(partial(functional.linear, weight=part.weight, bias=part.bias))
        elif type(part) is nn.ReLU and type(before) is nn.Linear:
            found.append(torch.relu_)  # on what that layer made, and nobody else has
        else:
            found.append(part.forward)
        before = part
    return found if simple else [*found, head._forward]


def _in_order(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is not nn.Sequential:
        yield network
        return
    for part in network:
        yield from _in_order(part)


def _hooked(network: nn.Module) -> bool:
    return any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def _epsilon_greedy(module: Any, batch: Batch, steps: int) -> Batch:
    """Return the best actions, or at odds of epsilon any; the same draws as in RLlib's, without its distributions."""
    values = module.compute_q_values(batch)[QF_PREDS]
    module.epsilon_schedule.update(steps)
    # As RLlib has it: a value of exactly 0, or infinitely low, stands for an action that is not allowed.
    allowed = (torch.nan_to_num(values, neginf=0.0) != 0.0).float()
    at_random = (allowed / torch.empty_like(values).exponential_()).argmax(dim=-1)
    explores = torch.rand(len(values), device=values.device) < module.epsilon_schedule.get_current_value()
    return {Columns.ACTIONS: torch.where(explores, at_random, values.argmax(dim=-1))}


def likeliest(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return the likeliest actions; RLlib's own (2.60) forgets to squash those of a squashed Gaussian."""
    dist = module.get_inference_action_dist_cls().from_logits(inputs)
    action: torch.Tensor = dist.to_deterministic().sample()
    return dist._squash(action) if isinstance(dist, TorchSquashedGaussian) else action


def drawn(dist: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return actions drawn from distributions; of the commonest kind without an object around them."""
    if dist is TorchCategorical:
        # As torch.multinomial does it, number by number: the first of several exponential clocks to ring.
        return (inputs - torch.empty_like(inputs).exponential_().log_()).argmax(dim=-1)
    action: torch.Tensor = dist.from_logits(inputs).sample()
    return action
