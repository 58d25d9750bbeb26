"""Exploration forward passes of env runners: PPO's layers one by one, and DQN's epsilon-greedy actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from ray.rllib.algorithms.dqn.dqn_learner import QF_PREDS
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.models.base import ENCODER_OUT
from ray.rllib.core.models.torch.heads import TorchMLPHead
from torch import nn
from torch.nn import functional

Batch = dict[str, Any]
Layer = Callable[[torch.Tensor], torch.Tensor]


def exploration_forward(module: Any) -> Callable[[Batch, int], Batch]:
    """Return a function from a batch and the steps so far to actions, or to the inputs of their distribution.

    It calls private methods of the module, because the public ones traverse the whole module on every call to set its
    mode. PPO's layers are called one by one: with few environments, the modules around a layer cost as much as the
    layer.
    """
    if type(module) is DefaultDQNTorchRLModule:
        return partial(_epsilon_greedy, module)
    if type(module) is not DefaultPPOTorchRLModule:
        return lambda batch, steps: dict(module._forward_exploration(batch, t=steps))
    encoders = module.encoder
    encoder = encoders.encoder if hasattr(encoders, "encoder") else encoders.actor_encoder
    head = module.pi
    layers = _layers(encoder, head)
    if not layers:
        return lambda batch, steps: {Columns.ACTION_DIST_INPUTS: head._forward(encoder._forward(batch)[ENCODER_OUT])}
    return partial(_forward_layers, layers)


def _forward_layers(layers: Sequence[Layer], batch: Batch, steps: int) -> Batch:
    values = batch[Columns.OBS]
    for layer in layers:
        values = layer(values)
    return {Columns.ACTION_DIST_INPUTS: values}


def _layers(encoder: Any, head: Any) -> list[Layer]:
    """Return the layers of an encoder and a head in order; empty if they do more than call layers."""
    network = getattr(encoder, "plain_network", None)
    if network is None or any(_has_hooks(model) for model in (encoder, head)):
        return []
    simple = type(head) is TorchMLPHead and not head.clip_log_std
    layers: list[Layer] = []
    previous: object = None
    for layer in _flatten(nn.Sequential(network, head.net.mlp) if simple else network):
        if type(layer) is nn.Linear:
            layers.append(partial(functional.linear, weight=layer.weight, bias=layer.bias))
        elif type(layer) is nn.ReLU and type(previous) is nn.Linear:
            layers.append(torch.relu_)  # in place: nothing else holds the output of the linear layer
        else:
            layers.append(layer.forward)
        previous = layer
    return layers if simple else [*layers, head._forward]


def _flatten(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is not nn.Sequential:
        yield network
        return
    for layer in network:
        yield from _flatten(layer)


def _has_hooks(network: nn.Module) -> bool:
    return any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())


def _epsilon_greedy(module: Any, batch: Batch, steps: int) -> Batch:
    """Return epsilon-greedy actions: the same random draws as RLlib's, without its distribution objects."""
    values = module.compute_q_values(batch)[QF_PREDS]
    module.epsilon_schedule.update(steps)
    # As in RLlib, a value of exactly 0 or minus infinity marks an action that is not allowed.
    allowed = (torch.nan_to_num(values, neginf=0.0) != 0.0).float()
    random_actions = (allowed / torch.empty_like(values).exponential_()).argmax(dim=-1)
    explores = torch.rand(len(values), device=values.device) < module.epsilon_schedule.get_current_value()
    return {Columns.ACTIONS: torch.where(explores, random_actions, values.argmax(dim=-1))}
