"""The name of a run folder: time, algorithm and reward."""

from __future__ import annotations

import re

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton

from battery_lab.config.compose import register_resolvers
from battery_lab.config.conf_folder import conf_dir


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        (["algo=sac", "reward=degradation"], "sac_degradation"),
        (["experiment=published"], "ppo_published"),
        # An environment of another kind may have no rewards to choose.
        (["~reward"], "ppo_no-reward"),
    ],
)
def test_a_run_folder_is_named_by_time_algorithm_and_reward(choices, named):
    register_resolvers()
    before = Singleton.get_state()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            HydraConfig.instance().set_config(hydra_compose("config", choices, return_hydra_config=True))
        folder = HydraConfig.get().run.dir
    finally:
        Singleton.set_state(before)
    assert re.fullmatch(rf"outputs/runs/\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d\d_{named}_[0-9a-f]{{6}}", folder)
