"""Setups: the trials that tests configure algorithms for."""

from __future__ import annotations

from battery_lab.algos.base import Setup
from tests.compositions import option


def setup_for(world, network):
    """Return a setup of 10,000 steps in a world."""
    return Setup(
        make_env=world.vector_env,
        layout=world.layout,
        action_space=world.vector_env(1, 0).single_action_space,
        network=network,
        rollout=option("rollout", "array"),
        seed=0,
        env_steps=10_000,
    )
