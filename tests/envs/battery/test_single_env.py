"""Single environment: gymnasium's checker accepts it with every kind of actions, and it wraps one battery only."""

from __future__ import annotations

import pytest
from gymnasium.utils.env_checker import check_env

from battery_lab.envs.battery.single_env import BatteryEnv
from tests.envs.small_world import make_bidding_world, make_world


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_gymnasiums_checker_accepts_it(actions, tmp_path):
    env = BatteryEnv(make_world(tmp_path, actions).vector_env(1, 0, staggered=False))
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_gymnasiums_checker_accepts_it_with_bids(tmp_path, kind):
    env = BatteryEnv(make_bidding_world(tmp_path, kind).vector_env(1, 0, staggered=False))
    check_env(env, skip_render_check=True)


def test_a_vector_of_several_batteries_is_refused(tmp_path):
    with pytest.raises(ValueError, match="num_envs must be 1, got 2"):
        BatteryEnv(make_world(tmp_path).vector_env(2, 0))
