"""RLlib encoders around the lab's networks."""

from __future__ import annotations

import pytest
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.models.base import ENCODER_OUT

from battery_lab.algos.rllib_encoder import NetworkEncoderConfig
from battery_lab.envs.layout import Layout
from tests.compositions import option

LAYOUT = Layout(names=tuple(f"n{k}" for k in range(20)), window_first=4, window_size=16)


@pytest.mark.parametrize("network", [("mlp", ["network.hidden=[8,4]"]), ("window_conv", ["network.kernel=[3,3]"])])
def test_critic_encoder_equals_the_network_of_the_concatenation(network):
    torch.manual_seed(0)
    chosen = option("network", *network)
    encoder = NetworkEncoderConfig(input_dims=[22], network=chosen, layout=LAYOUT, extra=2).build()
    obs = torch.randn(6, 20)
    action, plain_action = (torch.randn(6, 2, generator=torch.manual_seed(1)).requires_grad_() for _ in range(2))
    features = encoder({Columns.OBS: obs, Columns.ACTIONS: action})[ENCODER_OUT]
    gradients = torch.autograd.grad(features.square().sum(), [action, *encoder.net.parameters()])
    expected = encoder.net(torch.cat([obs, plain_action], dim=-1))
    expected_gradients = torch.autograd.grad(expected.square().sum(), [plain_action, *encoder.net.parameters()])
    assert torch.allclose(features, expected, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients, expected_gradients, strict=True))
