"""Shortcuts at RLlib's start: they have the results of the calls that they replace."""

from __future__ import annotations

import inspect
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
from ray.rllib.utils.debug import deterministic, update_global_seed_if_necessary
from ray.rllib.utils.torch_utils import set_torch_seed

from battery_lab.rllib.rllib_startup import shorten_startup


@pytest.fixture
def rllib(monkeypatch):
    """RLlib without the shortcuts, until a test installs them."""
    monkeypatch.setattr(connector_v2, "inspect", inspect)
    monkeypatch.setattr(deterministic, "set_torch_seed", set_torch_seed)


def test_shortcuts_are_for_this_version_of_rllib():
    assert ray.__version__ == "2.60.0", "compare ConnectorV2.__init__ and set_torch_seed with rllib_startup"


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


@pytest.mark.walk
def test_seeding_does_not_import_the_compiler_of_torch():
    code = (
        "import sys, torch; from ray.rllib.utils.debug import update_global_seed_if_necessary as seed; "
        "from battery_lab.rllib.rllib_startup import shorten_startup; shorten_startup(); seed('torch', 3); "
        "print(torch.are_deterministic_algorithms_enabled(), 'torch._inductor' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split()[-2:] == ["True", "False"]
