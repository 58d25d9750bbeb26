"""Networks as RLlib's encoders."""

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
def test_a_critic_sees_the_action_behind_the_observation(network):
    torch.manual_seed(0)
    chosen = option("network", *network)
    encoder = NetworkEncoderConfig(input_dims=[22], network=chosen, layout=LAYOUT, extra=2).build()
    seen = torch.randn(6, 20)
    ours, plain = (torch.randn(6, 2, generator=torch.manual_seed(1)).requires_grad_() for _ in range(2))
    found = encoder({Columns.OBS: seen, Columns.ACTIONS: ours})[ENCODER_OUT]
    mine = torch.autograd.grad(found.square().sum(), [ours, *encoder.net.parameters()])
    wanted = encoder.net(torch.cat([seen, plain], dim=-1))
    theirs = torch.autograd.grad(wanted.square().sum(), [plain, *encoder.net.parameters()])
    assert torch.allclose(found, wanted, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine, theirs, strict=True))
