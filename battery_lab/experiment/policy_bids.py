"""Policy bids: the bid sheet of a run's policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError
from battery_lab.envs.bidding_interface import BiddingWorld, BidRequest, BidSheet
from battery_lab.envs.interfaces import Actor
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.reevaluate import open_stored_policy
from battery_lab.policies.bid_curve_network import BidCurveNetwork
from battery_lab.policies.policy import Policy

STATES = 9  # states of charge in the curve of a policy without knots


def policy_bids(
    experiment: Experiment, run: Path, *, at: str | None, soc: float, floor_per_mwh: float, cap_per_mwh: float
) -> BidSheet:
    """Return the bid sheet of a run's policy.

    Args:
        experiment: the experiment of the run, or one with other data or another environment of the same shape.
        run: the run folder.
        at: see ``BidRequest``.
        soc: see ``BidRequest``.
        floor_per_mwh: see ``BidRequest``.
        cap_per_mwh: see ``BidRequest``.

    Raises:
        LabError: the policy makes no bids or does not fit the environment, or the request is wrong.
    """
    world, policy = open_stored_policy(experiment, run)
    if not isinstance(world, BiddingWorld):
        raise ConfigError(f"run={run} must be a run in an environment with bids, such as env=battery: choose another")
    actor, knots, price_number = _bidder(policy)
    request = BidRequest(
        at=at,
        soc=soc,
        floor_per_mwh=floor_per_mwh,
        cap_per_mwh=cap_per_mwh,
        knots=knots,
        price_number=price_number,
    )
    return world.bid_sheet(actor, request)


def _bidder(policy: Policy) -> tuple[Actor, int, int | None]:
    """Return what gives a policy's bids and offers, its number of knots, and the price that they are compared with."""
    if not isinstance(policy.network, BidCurveNetwork):
        return policy, STATES, None
    spec = policy.network.spec
    return (policy if spec.price_number is None else _curves(policy.network)), spec.knots, spec.price_number


def _curves(network: BidCurveNetwork) -> Actor:
    def prices(observation: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(observation)))

    return prices
