"""Gymnasium registration: the lab's environments under gymnasium ids, composed from conf/ like those of a trial.

    gymnasium.make("battery_lab.gym_registration:battery_lab/Battery-v0", overrides=["observation=window"])
    gymnasium.make_vec("battery_lab.gym_registration:battery_lab/Battery-v0", num_envs=64)

Gymnasium imports the module before the colon, which registers the ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import gymnasium as gym

if TYPE_CHECKING:
    from battery_lab.envs.battery.battery_world import BatteryWorld
    from battery_lab.envs.battery.single_env import BatteryEnv
    from battery_lab.envs.battery.vector_env import BatteryVectorEnv

BATTERY = "battery_lab/Battery-v0"


def register() -> None:
    """Register the ids, once."""
    if BATTERY not in gym.registry:
        gym.register(BATTERY, entry_point=f"{__name__}:single", vector_entry_point=f"{__name__}:vector")


def single(overrides: Sequence[str] = (), seed: int = 0) -> BatteryEnv:
    """Return one battery on the training period.

    Args:
        overrides: overrides as on the command line.
        seed: seed of all random draws until ``reset`` gets one.
    """
    from battery_lab.envs.battery.single_env import BatteryEnv

    return BatteryEnv(_world(overrides).vector_env(1, seed, staggered=False))


def vector(num_envs: int = 1, overrides: Sequence[str] = (), seed: int = 0) -> BatteryVectorEnv:
    """Return N batteries on the training period."""
    return _world(overrides).vector_env(num_envs, seed)


def _world(overrides: Sequence[str]) -> BatteryWorld:
    from battery_lab.config.build import build_part, resolve
    from battery_lab.config.compose import compose
    from battery_lab.envs.battery.environment import BatteryMarket

    config = compose(["env=battery", *overrides])
    resolve(config)
    env: BatteryMarket = build_part(config, "env")
    return env.open(env.offers[0])


register()
