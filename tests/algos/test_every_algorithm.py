"""Every algorithm of conf/algo: its learner trains, and its policy acts the same once stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from battery_lab.common.errors import LabError
from battery_lab.policies import policy as stored
from battery_lab.policies.policy_spec import read_meaning
from tests.algos.conftest import RLLIB
from tests.algos.training_setup import kinds_of, setup_for
from tests.compositions import options, part

# Those on RLlib take seconds to build, and other tests train them with power as actions.
CASES = [(name, "auto") for name in options("algo") if name not in RLLIB] + [(name, "bids") for name in options("algo")]


@pytest.mark.parametrize(("name", "env_actions"), CASES)
def test_a_trained_policy_acts_the_same_once_stored(tmp_path, algos, choices, worlds, name, env_actions):
    for kind in kinds_of(algos[name], env_actions):
        network, world = part(choices["mlp"], "network"), worlds(kind, "mlp", env_actions)
        learner = algos[name].learner(setup_for(world, network, kind))
        try:
            steps, metrics = learner.train()
            policy = learner.policy(steps)
        finally:
            learner.stop()
        assert steps > 0
        assert "train/reward_mean" in metrics and np.isfinite(list(metrics.values())).all()
        policy.save(tmp_path / kind)
        layout, action = read_meaning(tmp_path / kind)
        assert (layout, action) == (world.layout, world.action)
        encoder = network.encoder(layout)
        loaded = stored.load(tmp_path / kind, encoder, network.out_features, layout=layout, action=action)
        seen = world.vector_env(200, 0).reset(seed=0)[0]
        np.testing.assert_array_equal(loaded(seen), policy(seen))
        assert (loaded.actions, loaded.env_steps) == (kind, steps)
        assert world.evaluate(loaded, "validation").metrics.keys() == {metric.name for metric in world.metrics}


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_a_diverged_training_on_bids_is_an_error_that_says_what_to_change(algos, choices, worlds, name):
    network, world = part(choices["mlp"], "network"), worlds("continuous", "mlp", "bids")
    learner = algos[name].learner(setup_for(world, network, "continuous"))
    try:
        module = learner.algorithm.env_runner.module
        with torch.no_grad():
            for weights in module.parameters():
                weights.fill_(torch.nan)
        with pytest.raises(LabError, match="the training diverged, as .* not finite: start again with a lower"):
            for _ in range(3):
                learner.train()
    finally:
        learner.stop()
