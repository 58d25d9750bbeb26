"""Training setup: the trial that tests configure algorithms for."""

from __future__ import annotations

from battery_lab.algos.interfaces import Setup
from tests.compositions import option


def setup_for(world, network, actions="discrete"):
    """Return a setup of 10,000 steps in a world that was opened for a kind of actions."""
    return Setup(
        make_env=world.vector_env,
        layout=world.layout,
        actions=actions,
        action=world.action,
        observation_state=world.observation_state(),
        network=network,
        rollout=option("rollout", "array"),
        seed=0,
        env_steps=10_000,
    )
