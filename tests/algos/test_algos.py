"""Algorithms from conf/: they build with every network, and the exported policy acts like the module."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.columns import Columns

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment.experiment import choose_actions
from battery_lab.policies import policy as stored
from battery_lab.policies.policy import Policy, PolicyNetwork
from tests.algos.algorithm_setups import setup_for
from tests.algos.conftest import CHOICES
from tests.compositions import SMALL_ALGOS, option, options, part, small


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


@pytest.mark.parametrize("name", options("algo"))
@pytest.mark.parametrize("choice", CHOICES)
def test_exported_policy_acts_like_the_module(tmp_path, algos, choices, worlds, subtests, name, choice):
    for actions in algos[name].action_kinds:
        with subtests.test(actions=actions):
            network, world = part(choices[choice], "network"), worlds(actions, choice)
            check_export(tmp_path / actions, algos[name], network, world, actions)


def check_export(folder, algo, network, world, actions):
    """Check that a stored policy returns the actions of the module that it is policy_from_actor from."""
    module = module_of(algo, setup_for(world, network, actions))
    exported_policy(algo, network, module, world, actions).save(folder)
    layout, action = stored.read_meaning(folder)
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
        return inputs[:, :1].tanh().numpy()
    action = module.get_inference_action_dist_cls().from_logits(inputs).to_deterministic().sample()
    return action.clamp(-1, 1).numpy() if actions == "continuous" else action.numpy()


@pytest.mark.parametrize("name", options("algo"))
def test_every_algorithm_declares_its_action_kinds(algos, name):
    assert algos[name].action_kinds
    assert set(algos[name].action_kinds) <= {"discrete", "continuous"}
    assert 0 < algos[name].gamma <= 1
    assert name in SMALL_ALGOS, "add small options for the new algorithm to tests/compositions.py"


def test_dqn_rejects_continuous_actions(tmp_path):
    config = small(tmp_path, "dqn", "env.actions=continuous")
    with pytest.raises(
        ConfigError, match=r"env\.actions=continuous cannot be learned by algo=dqn.*env\.actions=discrete"
    ):
        choose_actions(part(config, "env"), part(config, "algo"))


def test_window_conv_needs_a_window(worlds):
    network = option("network", "window_conv", ["network.hidden=[16]"])
    with pytest.raises(ConfigError, match=r"choose observation=window or network=mlp"):
        network.encoder(worlds("discrete").layout)


def test_sac_target_entropy_is_a_fraction_of_the_uniform_entropy(algos, choices, worlds):
    sac, network = replace(algos["sac"], target_entropy=0.5), part(choices["mlp"], "network")
    assert sac.config(setup_for(worlds("discrete"), network)).target_entropy == pytest.approx(0.5 * np.log(3))
    assert sac.config(setup_for(worlds("continuous"), network, "continuous")).target_entropy == -0.5


def test_dqn_epsilon_falls_over_a_fraction_of_the_budget(algos, choices, worlds):
    setup = setup_for(worlds("discrete"), part(choices["mlp"], "network"))
    config = replace(algos["dqn"], epsilon_fraction=0.25).config(setup)
    assert config.epsilon == [[0, 1.0], [2500, 0.02]]


@pytest.mark.parametrize(
    ("algo", "values", "message"),
    [
        ("ppo", {"gamma": 1.5}, "algo.gamma must be from 0 to 1, got 1.5"),
        ("ppo", {"lr": 0}, "algo.lr must be greater than 0, got 0"),
        ("ppo", {"minibatch": 100_000}, "algo.minibatch must be at most a batch, 512 = "),
        (
            "ppo",
            {"num_envs": 0},
            "algo.num_envs must be a whole number from 1 to 65536 environments per env runner, got 0",
        ),
        ("ppo", {"gae_lambda": -1}, "algo.gae_lambda must be from 0 to 1, got -1"),
        ("dqn", {"epsilon_end": 2}, "algo.epsilon_end must be from 0 to 1, got 2"),
        ("dqn", {"learning_starts": 10_000_000}, "algo.learning_starts must be from 1 to algo.replay.capacity, 300000"),
        ("dqn", {"training_intensity": 0}, "algo.training_intensity must be greater than 0, got 0"),
        ("sac", {"tau": 0}, "algo.tau must be greater than 0 and at most 1, got 0"),
        ("sac", {"target_entropy": -1}, "algo.target_entropy must be greater than 0 and at most 1, got -1"),
    ],
)
def test_out_of_range_option_is_rejected(algos, algo, values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        replace(algos[algo], **values)


def test_out_of_range_option_in_yaml_is_rejected(tmp_path):
    with pytest.raises(ConfigError, match=r"algo\.replay\.capacity must be a whole number, 1 or more trans.*got 0"):
        part(small(tmp_path, "dqn", "algo.replay.capacity=0"), "algo")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("network.hidden=[]", "network.hidden"),
        ("network.hidden=[0]", "network.hidden"),
        ("network.activation=step", "network.activation"),
    ],
)
def test_invalid_network_option_is_rejected(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "mlp", [override])


@pytest.mark.parametrize(
    ("override", "named"),
    [("network.kernel=[9]", "network.kernel"), ("network.stride=[0,1]", "network.stride")],
)
def test_invalid_convolution_option_is_rejected(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "window_conv", [override])


def test_window_shorter_than_the_convolutions_is_rejected(worlds):
    world = worlds("discrete", "window_conv")
    with pytest.raises(ConfigError, match="network.kernel must leave at least one value"):
        option("network", "window_conv", ["network.kernel=[300,5]"]).encoder(world.layout)


def test_loading_a_missing_damaged_or_foreign_policy_fails(tmp_path, worlds):
    world, network = worlds("discrete"), option("network", "mlp", ["network.hidden=[8]"])
    encoder = network.encoder(world.layout)
    meaning = {"layout": world.layout, "action": world.action}
    with pytest.raises(DataError, match="name the folder of a finished run"):
        stored.load(tmp_path / "none", encoder, 8, **meaning)
    net = PolicyNetwork(encoder, 8, 3)
    policy = Policy(
        network=net,
        decision="argmax",
        actions="discrete",
        layout=world.layout,
        action=world.action,
        observation_state={},
        env_steps=0,
    )
    policy.save(tmp_path / "policy")
    other = option("network", "mlp", ["network.hidden=[9]"]).encoder(world.layout)
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        stored.load(tmp_path / "policy", other, 9, **meaning)
    (tmp_path / "policy" / stored.WEIGHTS).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="does not hold the weights"):
        stored.load(tmp_path / "policy", encoder, 8, **meaning)
    (tmp_path / "policy" / stored.SPEC).write_text('{"format": 99}')
    with pytest.raises(DataError, match="not a policy of format 1"):
        stored.load(tmp_path / "policy", encoder, 8, **meaning)
