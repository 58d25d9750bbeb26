"""Shortcuts at RLlib's start: they have the results of the calls that they replace."""

from __future__ import annotations

import inspect
import json
import random
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import ray
import torch
from ray.rllib.connectors import connector_v2
from ray.rllib.connectors.common.add_states_from_episodes_to_batch import AddStatesFromEpisodesToBatch
from ray.rllib.env import env_runner_group
from ray.rllib.utils.debug import deterministic, update_global_seed_if_necessary
from ray.rllib.utils.torch_utils import set_torch_seed

from battery_lab.rllib.rllib_startup import shorten_startup
from tests.cli.run_commands import tiny


@pytest.fixture
def rllib(monkeypatch):
    """RLlib without the shortcuts, until a test installs them."""
    monkeypatch.setattr(connector_v2, "inspect", inspect)
    monkeypatch.setattr(env_runner_group, "ray", ray)
    monkeypatch.setattr(deterministic, "set_torch_seed", set_torch_seed)


def test_shortcuts_are_for_this_version_of_rllib():
    assert ray.__version__ == "2.60.0", "compare its names with rllib_startup"


def test_connectors_remember_the_same_constructor_arguments(rllib):
    def arguments():
        return AddStatesFromEpisodesToBatch(
            gym.spaces.Discrete(2), as_learner_connector=True
        ).get_ctor_args_and_kwargs()

    expected = arguments()
    shorten_startup()
    assert arguments() == expected
    assert expected[1]["as_learner_connector"] is True


def test_random_numbers_and_determinism_are_the_same(rllib):
    def seeded():
        torch.use_deterministic_algorithms(False)
        update_global_seed_if_necessary("torch", 3)
        return random.random(), np.random.rand(), float(torch.rand(())), torch.are_deterministic_algorithms_enabled()

    try:
        expected = seeded()
        shorten_startup()
        assert seeded() == expected
    finally:
        torch.use_deterministic_algorithms(False)


def test_without_ray_env_runner_groups_keep_their_configuration(rllib, monkeypatch):
    shorten_startup()
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    value = object()
    assert env_runner_group.ray.put(value) is value
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "put", lambda value: ("stored", value))
    assert env_runner_group.ray.put(value) == ("stored", value)


@pytest.mark.walk
@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_trial_in_one_process_starts_no_ray_and_imports_no_compiler(algo, tmp_path):
    chosen = [*tiny(tmp_path, algo), f"algo={algo}"]
    code = (
        f"import sys; sys.argv = ['battery_lab', *{chosen}]; from battery_lab.cli.main import main; main(); "
        "import ray; print(ray.is_initialized(), *({'torch._dynamo', 'torch._inductor'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    assert output.stdout.splitlines()[-1] == "False"
    (metrics,) = tmp_path.glob("outputs/runs/*/metrics.json")
    assert json.loads(metrics.read_text())["train/env_steps"] >= 1024
