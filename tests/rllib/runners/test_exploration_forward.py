"""Exploration forward passes: the one through PPO's networks equals RLlib's own."""

from __future__ import annotations

from dataclasses import asdict

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from torch import nn

from battery_lab.algos.rllib_encoder import NETWORK, LabPPOCatalog, NetworkEncoder
from battery_lab.envs.layout import Layout
from battery_lab.rllib.runners.exploration_forward import exploration_forward
from tests.compositions import option, options

LAYOUT = Layout(names=tuple(str(n) for n in range(64)), window_first=8, window_size=56)
DISCRETE, BOX = gym.spaces.Discrete(3), gym.spaces.Box(-1, 1, (1,), np.float32)


def module(network, actions=DISCRETE, **parts):
    torch.manual_seed(0)
    return RLModuleSpec(
        module_class=DefaultPPOTorchRLModule,
        catalog_class=LabPPOCatalog,
        observation_space=gym.spaces.Box(-np.inf, np.inf, (LAYOUT.size,), np.float32),
        action_space=actions,
        model_config=asdict(DefaultModelConfig()) | {"head_fcnet_hiddens": [], NETWORK: (network, LAYOUT)} | parts,
    ).build()


def both(built, obs):
    """Return the outputs of the fast forward pass and of RLlib's own."""
    batch = {Columns.OBS: obs}
    with torch.no_grad():
        ours = exploration_forward(built)(dict(batch), 0)[Columns.ACTION_DIST_INPUTS]
        return ours, built.forward_exploration(dict(batch))[Columns.ACTION_DIST_INPUTS]


def is_fast(built):
    """Whether the forward pass calls the layers directly and not the encoder around them."""
    encoder = getattr(built.encoder, "encoder", None) or built.encoder.actor_encoder
    calls, forward = [], encoder._forward
    encoder._forward = lambda *args, **kwargs: calls.append(1) or forward(*args, **kwargs)
    with torch.no_grad():
        exploration_forward(built)({Columns.OBS: torch.randn(7, LAYOUT.size)}, 0)
    return not calls


@pytest.mark.parametrize("actions", [DISCRETE, BOX], ids=["discrete", "box"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", options("network"))
def test_every_network_gives_equal_outputs_and_keeps_observations(name, shared, actions):
    built = module(option("network", name), actions, vf_share_layers=shared)
    obs = torch.randn(7, LAYOUT.size)
    before = obs.clone()
    ours, theirs = both(built, obs)
    assert torch.equal(ours, theirs) and len(ours.unique()) > 7
    assert torch.equal(obs, before)
    assert is_fast(built)


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "gelu", "elu"])
def test_every_activation_is_applied(activation):
    network = option("network", "mlp", [f"network.activation={activation}"])
    ours, theirs = both(module(network), torch.randn(7, LAYOUT.size))
    assert torch.equal(ours, theirs)


def test_custom_network_is_called_unchanged():
    class Custom:
        out_features = 64

        def encoder(self, layout, extra=0):
            return nn.Sequential(nn.Sequential(nn.Flatten(), nn.ReLU()), nn.LayerNorm(64))

    obs = torch.randn(7, LAYOUT.size)
    before = obs.clone()
    ours, theirs = both(module(Custom()), obs)
    assert torch.equal(ours, theirs)
    assert torch.equal(obs, before)


@pytest.mark.parametrize("free", [True, False])
def test_head_with_more_than_layers_is_called_unchanged(free):
    """The head has free or clipped standard deviations."""
    parts = {"free_log_std": free, "log_std_clip_param": 0.01}
    ours, theirs = both(module(option("network", "mlp"), BOX, **parts), 100 * torch.randn(7, LAYOUT.size))
    assert torch.equal(ours, theirs)
    assert ours[:, 1].abs().max() <= 0.01


def test_forward_hooks_are_called():
    built, called = module(option("network", "mlp")), []
    built.encoder.encoder.net[0].register_forward_hook(lambda *seen: called.append(seen))
    ours, theirs = both(built, torch.randn(7, LAYOUT.size))
    assert torch.equal(ours, theirs)
    assert len(called) == 2 and not is_fast(built)


def test_encoder_with_more_than_layers_is_called_unchanged():
    class Squashed(NetworkEncoder):
        def _forward(self, inputs, **kwargs):
            return super()._forward({**inputs, Columns.OBS: inputs[Columns.OBS].tanh()})

    built = module(option("network", "mlp"))
    built.encoder.encoder.__class__ = Squashed
    ours, theirs = both(built, torch.randn(7, LAYOUT.size))
    assert torch.equal(ours, theirs) and not is_fast(built)


def test_later_weights_are_used():
    built, other = module(option("network", "mlp")), module(option("network", "mlp"))
    act, batch = exploration_forward(built), {Columns.OBS: torch.randn(7, LAYOUT.size)}
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
        built.set_state(other.get_state())
        assert torch.equal(act(dict(batch), 0)[Columns.ACTION_DIST_INPUTS], both(other, batch[Columns.OBS])[1])
