"""Options of algorithms: kinds of actions, derived values, and errors that name the field."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.experiment.experiment import choose_actions
from tests.algos.training_setup import setup_for
from tests.compositions import SMALL_ALGOS, options, part, small


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
        ("bid_curves", {"gamma": 0.99}, "algo.gamma must be 1, as exact gradients need no discount, got 0.99"),
        ("bid_curves", {"knots": 1}, "algo.knots must be a whole number from 2 to 100, got 1"),
        ("bid_curves", {"levels": 1}, "algo.levels must be a whole number from 2 to 2000, got 1"),
        ("bid_curves", {"uniform_share": 1.5}, "algo.uniform_share must be from 0 to 1, got 1.5"),
        ("bid_curves", {"num_workers": 5}, "algo.num_workers must be at most algo.batch_slices = 4, as each worker"),
        ("bid_curves", {"num_workers": 0}, "algo.num_workers must be a whole number from 1 to 1024 threads, got 0"),
        ("bid_curves", {"lr": 0}, "algo.lr must be greater than 0, got 0"),
    ],
)
def test_out_of_range_option_is_rejected(algos, algo, values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        replace(algos[algo], **values)


def test_out_of_range_option_in_yaml_is_rejected(tmp_path):
    with pytest.raises(ConfigError, match=r"algo\.replay\.capacity must be a whole number, 1 or more trans.*got 0"):
        part(small(tmp_path, "dqn", "algo.replay.capacity=0"), "algo")
