"""Gymnasium ids of the lab's environments."""

from __future__ import annotations

import sys

import gymnasium as gym
import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.gym_registration import BATTERY
from tests.compositions import SMALL, write_market


@pytest.fixture
def overrides(tmp_path):
    return [*write_market(tmp_path), *[o for o in SMALL if o.startswith("env.")], "observation=minimal"]


def test_gymnasium_makes_one_battery(overrides):
    env = gym.make(BATTERY, overrides=overrides, seed=3)
    observation, _ = env.reset(seed=1)
    assert observation.shape == (3,)
    assert np.isfinite(env.step(2)[1])


def test_gymnasium_makes_many_batteries(overrides):
    env = gym.make_vec(BATTERY, num_envs=5, overrides=overrides, vectorization_mode="vector_entry_point")
    observation, _ = env.reset(seed=1)
    assert observation.shape == (5, 3)


def test_overrides_are_those_of_the_command_line(overrides):
    env = gym.make(BATTERY, overrides=[*overrides, "env.actions=continuous"])
    assert env.action_space == gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    env = gym.make(BATTERY, overrides=[*overrides, "env.actions=bids"])
    assert env.action_space == gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    with pytest.raises(ConfigError, match="observation=none_such"):
        gym.make(BATTERY, overrides=[*overrides, "observation=none_such"])


def test_gymnasium_imports_the_lab_by_the_name_before_the_colon(overrides, monkeypatch):
    monkeypatch.delitem(gym.registry, BATTERY)
    monkeypatch.delitem(sys.modules, "battery_lab.gym_registration")
    env = gym.make(f"battery_lab.gym_registration:{BATTERY}", overrides=overrides)
    assert env.spec.id == BATTERY
