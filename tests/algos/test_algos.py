"""Algorithms from conf/: they build with every network, and the exported policy acts like the module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ray.rllib.core.columns import Columns

from battery_lab.algos.base import Setup
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment.experiment import choose_actions
from battery_lab.policies import policy as stored
from battery_lab.policies.policy import Policy, PolicyNetwork
from tests.compositions import SMALL_ALGOS, option, options, part, small
from tests.envs.worlds import make_world

KINDS = [("ppo", "discrete"), ("ppo", "continuous"), ("dqn", "discrete"), ("sac", "discrete"), ("sac", "continuous")]
WINDOW = ("observation=window", "network=window_conv", "network.hidden=[16]")


def module_of(algo, setup):
    """Build the RLlib module that the algorithm would train."""
    config = algo.config(setup)
    config.validate()
    spec = config.rl_module_spec
    spec.observation_space, spec.action_space = setup.make_env(1, 0).single_observation_space, setup.action_space
    spec.model_config = config.model_config | spec.model_config
    return spec.build()


def setup_for(world, network):
    space = world.vector_env(1, 0).single_action_space
    return Setup(
        make_env=world.vector_env,
        layout=world.layout,
        action_space=space,
        network=network,
        rollout=option("rollout", "array"),
        seed=0,
        env_steps=10_000,
    )


def kept_policy(algo, network, module, world, actions):
    return stored.copied(
        algo.actor(module),
        network.encoder(world.layout),
        actions=actions,
        layout=world.layout,
        action=world.action,
        observation_state=world.observation_state(),
        env_steps=7,
    )


@pytest.mark.parametrize(("name", "actions"), KINDS)
@pytest.mark.parametrize("chosen", [(), ("network.shared_value=true",), WINDOW], ids=["mlp", "shared", "window_conv"])
def test_exported_policy_acts_like_the_module(tmp_path, name, actions, chosen):
    config = small(tmp_path, name, *chosen)
    algo, network, observation = part(config, "algo"), part(config, "network"), part(config, "observation")
    world = make_world(tmp_path, actions, observation=observation)
    module = module_of(algo, setup_for(world, network))
    kept = kept_policy(algo, network, module, world, actions)
    kept.save(tmp_path / "policy")
    layout, action = stored.read_meaning(tmp_path / "policy")
    assert (layout, action) == (world.layout, world.action)
    kept = stored.load(tmp_path / "policy", network.encoder(layout), network.out_features, layout=layout, action=action)
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(64, world.layout.size)).astype(np.float32)
    np.testing.assert_allclose(kept(seen), expected_actions(name, actions, module, torch.from_numpy(seen)), atol=1e-6)
    with torch.no_grad():
        assert kept.network(torch.from_numpy(seen)).std(dim=0).min() > 0


def expected_actions(name, actions, module, seen):
    """Return the actions of RLlib's module without exploration."""
    with torch.no_grad():
        out = module.forward_inference({Columns.OBS: seen})
    if Columns.ACTIONS in out:
        return out[Columns.ACTIONS].numpy()
    inputs = out[Columns.ACTION_DIST_INPUTS]
    if name == "sac" and actions == "continuous":
        # RLlib (2.60) returns the mean before squashing, but trains the squashed action.
        return inputs[:, :1].tanh().numpy()
    action = module.get_inference_action_dist_cls().from_logits(inputs).to_deterministic().sample()
    return action.clamp(-1, 1).numpy() if actions == "continuous" else action.numpy()


@pytest.mark.parametrize("name", options("algo"))
def test_every_algorithm_declares_its_action_kinds(tmp_path, name):
    algo = part(small(tmp_path, name), "algo")
    assert set(algo.action_kinds) <= {"discrete", "continuous"}
    assert 0 < algo.gamma <= 1
    assert name in SMALL_ALGOS, "add small options for the new algorithm to tests/compositions.py"


def test_dqn_rejects_continuous_actions(tmp_path):
    config = small(tmp_path, "dqn", "env.actions=continuous")
    with pytest.raises(
        ConfigError, match=r"env\.actions=continuous cannot be learned by algo=dqn.*env\.actions=discrete"
    ):
        choose_actions(part(config, "env"), part(config, "algo"))


def test_window_conv_needs_a_window(tmp_path):
    config = small(tmp_path, "ppo", "network=window_conv", "network.hidden=[16]")
    world = make_world(tmp_path)
    with pytest.raises(ConfigError, match=r"choose observation=window, or network=mlp"):
        part(config, "network").encoder(world.layout)


def test_sac_target_entropy_is_a_fraction_of_the_uniform_entropy(tmp_path):
    config = small(tmp_path, "sac", "algo.target_entropy=0.5")
    built = part(config, "algo").config(setup_for(make_world(tmp_path), part(config, "network")))
    assert built.target_entropy == pytest.approx(0.5 * np.log(3))
    continuous = part(config, "algo").config(setup_for(make_world(tmp_path, "continuous"), part(config, "network")))
    assert continuous.target_entropy == -0.5


def test_dqn_epsilon_falls_over_a_fraction_of_the_budget(tmp_path):
    config = small(tmp_path, "dqn", "algo.epsilon_fraction=0.25")
    built = part(config, "algo").config(setup_for(make_world(tmp_path), part(config, "network")))
    assert built.epsilon == [[0, 1.0], [2500, 0.02]]


@pytest.mark.parametrize(
    ("algo", "override", "named"),
    [
        ("ppo", "algo.gamma=1.5", r"algo\.gamma must be from 0 to 1, got 1\.5"),
        ("ppo", "algo.lr=0", r"algo\.lr must be greater than 0, got 0"),
        ("ppo", "algo.minibatch=100000", "algo.minibatch must be at most a batch, 512"),
        (
            "ppo",
            "algo.num_envs=0",
            r"algo\.num_envs must be a whole number from 1 to 65536 environments per runner, got 0",
        ),
        ("ppo", "algo.gae_lambda=-1", "algo.gae_lambda"),
        ("dqn", "algo.epsilon_end=2", r"algo\.epsilon_end must be from 0 to 1, got 2"),
        (
            "dqn",
            "algo.learning_starts=10000000",
            r"algo\.learning_starts must be from 1 to algo\.replay\.capacity, \d+, got 10000000",
        ),
        (
            "dqn",
            "algo.replay.capacity=0",
            r"algo\.replay\.capacity must be a whole number, 1 or more transitions, got 0",
        ),
        ("dqn", "algo.training_intensity=0", "algo.training_intensity"),
        ("sac", "algo.tau=0", r"algo\.tau must be greater than 0 and at most 1, got 0"),
        ("sac", "algo.target_entropy=-1", "algo.target_entropy"),
    ],
)
def test_out_of_range_option_is_rejected(tmp_path, algo, override, named):
    with pytest.raises(ConfigError, match=named):
        part(small(tmp_path, algo, override), "algo")


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


def test_window_shorter_than_the_convolutions_is_rejected(tmp_path):
    world = make_world(tmp_path, observation=option("observation", "window"))
    with pytest.raises(ConfigError, match="network.kernel must leave at least one value"):
        option("network", "window_conv", ["network.kernel=[300,5]"]).encoder(world.layout)


def test_loading_a_missing_damaged_or_foreign_policy_fails(tmp_path):
    world, network = make_world(tmp_path), option("network", "mlp", ["network.hidden=[8]"])
    encoder = network.encoder(world.layout)
    meaning = {"layout": world.layout, "action": world.action}
    with pytest.raises(DataError, match="name the folder of a finished run"):
        stored.load(tmp_path / "none", encoder, 8, **meaning)
    net = PolicyNetwork(encoder, 8, 3)
    kept = Policy(
        network=net,
        decision="argmax",
        actions="discrete",
        layout=world.layout,
        action=world.action,
        observation_state={},
        env_steps=0,
    )
    kept.save(tmp_path / "policy")
    other = option("network", "mlp", ["network.hidden=[9]"]).encoder(world.layout)
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        stored.load(tmp_path / "policy", other, 9, **meaning)
    (tmp_path / "policy" / stored.WEIGHTS).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="does not hold the weights"):
        stored.load(tmp_path / "policy", encoder, 8, **meaning)
    (tmp_path / "policy" / stored.SPEC).write_text('{"format": 99}')
    with pytest.raises(DataError, match="not a policy of format 1"):
        stored.load(tmp_path / "policy", encoder, 8, **meaning)
