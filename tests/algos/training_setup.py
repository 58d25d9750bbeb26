"""Training setup: the trial that tests configure algorithms for."""

from __future__ import annotations

from battery_lab.algos.interfaces import Setup
from battery_lab.envs.bidding_interface import PriceTaker
from tests.compositions import option


def kinds_of(algo, env_actions="auto"):
    """Return the kinds of actions that an algorithm learns; of bids, the battery offers continuous ones first."""
    if env_actions == "bids" and "continuous" in algo.action_kinds:
        return ("continuous",)
    return algo.action_kinds


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
        bidding_problem=world.bidding_problem if isinstance(world, PriceTaker) else None,
    )
