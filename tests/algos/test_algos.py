"""Every algorithm, action kind and network: built from conf/, and the kept policy acts as RLlib's module does."""

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
    """Build the module that the algorithm would train, without the algorithm around it."""
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
def test_the_kept_policy_acts_as_the_module_does(tmp_path, name, actions, chosen):
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
    """What RLlib's module does without exploration."""
    with torch.no_grad():
        out = module.forward_inference({Columns.OBS: seen})
    if Columns.ACTIONS in out:
        return out[Columns.ACTIONS].numpy()
    inputs = out[Columns.ACTION_DIST_INPUTS]
    if name == "sac" and actions == "continuous":
        # RLlib (2.60) gives the mean before it is squashed; what was trained is squashed.
        return inputs[:, :1].tanh().numpy()
    action = module.get_inference_action_dist_cls().from_logits(inputs).to_deterministic().sample()
    return action.clamp(-1, 1).numpy() if actions == "continuous" else action.numpy()


@pytest.mark.parametrize("name", options("algo"))
def test_every_algorithm_says_what_it_can_do(tmp_path, name):
    algo = part(small(tmp_path, name), "algo")
    assert set(algo.action_kinds) <= {"discrete", "continuous"}
    assert 0 < algo.gamma <= 1
    assert name in SMALL_ALGOS, "give the new algorithm a small size in tests/compositions.py"


def test_dqn_with_continuous_actions_says_what_to_change(tmp_path):
    config = small(tmp_path, "dqn", "env.actions=continuous")
    with pytest.raises(
        ConfigError, match=r"env\.actions=continuous cannot be learned by algo=dqn.*env\.actions=discrete"
    ):
        choose_actions(part(config, "env"), part(config, "algo"))


def test_a_convolution_without_a_window_says_what_to_choose(tmp_path):
    config = small(tmp_path, "ppo", "network=window_conv", "network.hidden=[16]")
    world = make_world(tmp_path)
    with pytest.raises(ConfigError, match=r"choose observation=window, or network=mlp"):
        part(config, "network").encoder(world.layout)


def test_sac_steers_discrete_entropy_to_a_share_of_what_is_possible(tmp_path):
    config = small(tmp_path, "sac", "algo.target_entropy=0.5")
    built = part(config, "algo").config(setup_for(make_world(tmp_path), part(config, "network")))
    assert built.target_entropy == pytest.approx(0.5 * np.log(3))
    continuous = part(config, "algo").config(setup_for(make_world(tmp_path, "continuous"), part(config, "network")))
    assert continuous.target_entropy == -0.5


def test_dqn_explores_over_a_share_of_the_budget(tmp_path):
    config = small(tmp_path, "dqn", "algo.epsilon_fraction=0.25")
    built = part(config, "algo").config(setup_for(make_world(tmp_path), part(config, "network")))
    assert built.epsilon == [[0, 1.0], [2500, 0.02]]


@pytest.mark.parametrize(
    ("algo", "override", "named"),
    [
        ("ppo", "algo.gamma=1.5", "algo.gamma"),
        ("ppo", "algo.lr=0", "algo.lr"),
        ("ppo", "algo.minibatch=100000", "algo.minibatch must be at most a batch, 512"),
        ("ppo", "algo.num_envs=0", "algo.num_envs"),
        ("ppo", "algo.gae_lambda=-1", "algo.gae_lambda"),
        ("dqn", "algo.epsilon_end=2", "algo.epsilon_end"),
        ("dqn", "algo.learning_starts=10000000", "algo.learning_starts"),
        ("dqn", "algo.replay.capacity=0", "algo.replay.capacity"),
        ("dqn", "algo.training_intensity=0", "algo.training_intensity"),
        ("sac", "algo.tau=0", "algo.tau"),
        ("sac", "algo.target_entropy=-1", "algo.target_entropy"),
    ],
)
def test_a_number_out_of_range_is_named(tmp_path, algo, override, named):
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
def test_a_bad_network_is_named(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "mlp", [override])


@pytest.mark.parametrize(
    ("override", "named"),
    [("network.kernel=[9]", "network.kernel"), ("network.stride=[0,1]", "network.stride")],
)
def test_a_bad_convolution_is_named(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "window_conv", [override])


def test_a_window_too_short_for_the_convolutions_is_named(tmp_path):
    world = make_world(tmp_path, observation=option("observation", "window"))
    with pytest.raises(ConfigError, match="network.kernel must leave at least one value"):
        option("network", "window_conv", ["network.kernel=[300,5]"]).encoder(world.layout)


def test_a_stored_policy_that_is_missing_damaged_or_foreign_is_an_error(tmp_path):
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
