"""Policies from actors: with every algorithm on RLlib and every network, a stored policy acts like RLlib's module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.columns import Columns

from battery_lab.policies import policy as stored
from battery_lab.policies.policy_spec import read_meaning
from tests.algos.conftest import CHOICES, RLLIB
from tests.algos.training_setup import kinds_of, setup_for
from tests.compositions import part


def module_of(algo, setup):
    """Build the RLlib module that the algorithm would train."""
    config = algo.config(setup)
    config.validate()
    spec = config.rl_module_spec
    spec.observation_space, spec.action_space = setup.make_env(1, 0).single_observation_space, setup.action_space
    spec.model_config = config.model_config | spec.model_config
    return spec.build()


def exported_policy(algo, network, module, world, actions):
    return stored.policy_from_actor(
        algo.actor(module),
        network.encoder(world.layout),
        actions=actions,
        layout=world.layout,
        action=world.action,
        observation_state=world.observation_state(),
        env_steps=7,
    )


@pytest.mark.parametrize("name", RLLIB)
@pytest.mark.parametrize(("choice", "env_actions"), [*((choice, "auto") for choice in CHOICES), ("mlp", "bids")])
def test_exported_policy_acts_like_the_module(tmp_path, algos, choices, worlds, subtests, name, choice, env_actions):
    for actions in kinds_of(algos[name], env_actions):
        with subtests.test(actions=actions):
            network, world = part(choices[choice], "network"), worlds(actions, choice, env_actions)
            check_export(tmp_path / actions, algos[name], network, world, actions)


def check_export(folder, algo, network, world, actions):
    """Check that a stored policy returns the actions of the module that it is made from."""
    module = module_of(algo, setup_for(world, network, actions))
    exported_policy(algo, network, module, world, actions).save(folder)
    layout, action = read_meaning(folder)
    assert (layout, action) == (world.layout, world.action)
    encoder = network.encoder(layout)
    policy = stored.load(folder, encoder, network.out_features, layout=layout, action=action)
    obs = np.random.default_rng(0).normal(size=(64, world.layout.size)).astype(np.float32)
    np.testing.assert_allclose(policy(obs), expected_actions(actions, module, torch.from_numpy(obs)), atol=1e-6)
    with torch.no_grad():
        assert policy.network(torch.from_numpy(obs)).std(dim=0).min() > 0


def expected_actions(actions, module, obs):
    """Return the actions of RLlib's module without exploration."""
    with torch.no_grad():
        out = module.forward_inference({Columns.OBS: obs})
    if Columns.ACTIONS in out:
        return out[Columns.ACTIONS].numpy()
    inputs = out[Columns.ACTION_DIST_INPUTS]
    if isinstance(module, DefaultSACTorchRLModule) and actions == "continuous":
        # RLlib (2.60) returns the mean before squashing, but trains the squashed action.
        return inputs[:, : inputs.shape[1] // 2].tanh().numpy()
    action = module.get_inference_action_dist_cls().from_logits(inputs).to_deterministic().sample()
    return action.clamp(-1, 1).numpy() if actions == "continuous" else action.numpy()
