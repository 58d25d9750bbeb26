"""Policy bids: the bid sheet of a run's policy."""

from __future__ import annotations

from pathlib import Path

from battery_lab.common.errors import ConfigError
from battery_lab.envs.bidding_interface import BiddingWorld, BidRequest, BidSheet
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.reevaluate import open_stored_policy

STATES = 9  # states of charge in the curve of a policy without knots


def policy_bids(
    experiment: Experiment,
    run: Path,
    *,
    at: str | None,
    soc: float,
    floor_per_mwh: float | None,
    cap_per_mwh: float | None,
    cycles_today: float | None,
    cycles_this_year: float | None,
    year_start: str | None,
) -> BidSheet:
    """Return the bid sheet of a run's policy.

    Args:
        experiment: the experiment of the run, or one with other data or another environment of the same shape.
        run: the run folder.
        at: see ``BidRequest``, as for all others.
        soc: state of charge.
        floor_per_mwh: lowest price of the bands.
        cap_per_mwh: highest price of the bands.
        cycles_today: use of a cap on cycles per day.
        cycles_this_year: use of a cap on cycles per year.
        year_start: the day on which the count of the year began.

    Raises:
        LabError: the policy makes no bids or does not fit the environment, or the request is wrong.
    """
    world, policy = open_stored_policy(experiment, run)
    if not isinstance(world, BiddingWorld):
        raise ConfigError(f"run={run} must be a run in an environment with bids, such as env=battery: choose another")
    request = BidRequest(
        at=at,
        soc=soc,
        floor_per_mwh=floor_per_mwh,
        cap_per_mwh=cap_per_mwh,
        cycles_today=cycles_today,
        cycles_this_year=cycles_this_year,
        year_start=year_start,
        knots=policy.knots or STATES,
        price_number=policy.price_number,
    )
    return world.bid_sheet(policy.bids, request)
