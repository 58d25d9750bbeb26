"""Error of the energy grid for a trained policy: the profit of its softened bids, against the battery's physics.

python -m benchmarks.policy_grid_error outputs/runs/<run of algo=bid_curves and reward=degradation>
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.config.stored_trial import trial
from battery_lab.envs.battery.physics import Battery
from battery_lab.experiment.reevaluate import open_stored_policy
from battery_lab.planning.bid_policy_gradient import knot_weights
from battery_lab.planning.move_table import move_table

Array = NDArray[np.float64]
LEVELS = (40, 80, 160, 250, 500)
DAYS = 30
PLACES = (0, 150)  # days from the start of the training period
SHARPNESS = (2.4, 18.0)  # per standard deviation of the scaled prices: algo.sharpness and algo.sharpness_end


def expected_profit(
    battery: Battery,
    interval_h: float,
    price: Array,
    scaled_price: Array,
    bid: Array,
    offer: Array,
    *,
    sharpness: float,
    bins: int,
) -> float:
    """Return the expected profit of a softened policy in the battery's own physics, without a grid.

    All stored energies that the policy can reach move through ``Battery.step``, with their probabilities. Those in one
    of many narrow bins are replaced by their mean, which keeps the number of energies small.

    Args:
        battery: the battery, which begins at ``soc_start``.
        interval_h: length of an interval, hours.
        price: (T,) prices, currency per MWh.
        scaled_price: (T,) the same on the scale of bids.
        bid: (T, M) bids at the knots.
        offer: (T, M) offers at the knots.
        sharpness: per unit of the scale.
        bins: number of bins below ``soc_max``.
    """
    width = battery.energy_max_mwh / bins
    energy, share, profit = np.array([battery.energy_start_mwh]), np.ones(1), 0.0
    for t in range(len(price)):
        _, knot, weight = knot_weights(battery, energy, bid.shape[1])
        at_bid, at_offer = (x[t, knot] * (1 - weight) + x[t, knot + 1] * weight for x in (bid, offer))
        odds = sharpness * np.stack([at_bid - scaled_price[t], np.zeros(len(energy)), scaled_price[t] - at_offer])
        odds = np.exp(odds - odds.max(axis=0))
        share = (odds / odds.sum(axis=0) * share).reshape(-1)
        request = np.repeat([-battery.power_mw, 0.0, battery.power_mw], len(energy))
        power, after = battery.step(np.tile(energy, 3), request, interval_h)
        sold, bought = np.maximum(power, 0) * interval_h, np.maximum(-power, 0) * interval_h
        money = price[t] * (sold - bought) - battery.wear_per_mwh * sold - battery.grid_fee_per_mwh * bought
        profit += float(share @ money)
        place = (after / width).astype(np.int64)
        total, weighted = np.bincount(place, share), np.bincount(place, share * after)
        share = total[total > 0]
        energy = weighted[total > 0] / share
    return profit


def curves(problem: Any, network: Any, part: slice) -> tuple[Array, Array]:
    """Return the (N, M) bids and offers of a policy's network at the knots."""
    with torch.no_grad():
        seen = torch.from_numpy(problem.observations(problem.rows[part]))
        both = network.curves(network.features(seen)).numpy().astype(np.float64)
    return both[:, 0], both[:, 1]


def errors(world: Any, policy: Any, part: slice, sharpness: float) -> tuple[float, list[float]]:
    """Return the profit in the physics, and the error on a grid of each number of levels, as a share of it."""
    whole, problems = world.problem("validation"), [world.bidding_problem(levels, policy.knots) for levels in LEVELS]
    battery, interval_h, first = whole.battery, whole.series.interval_h, problems[0]
    bid, offer = curves(first, policy.network, part)
    price, scaled = whole.series.price[first.rows[part]], first.scaled_price[part]
    k, values = sharpness / float(first.scaled_price.std()), []
    profit = expected_profit(battery, interval_h, price, scaled, bid, offer, sharpness=k, bins=2000)
    for levels, problem in zip(LEVELS, problems, strict=True):
        energy = move_table(battery, interval_h, levels).energy_mwh
        position = (battery.energy_start_mwh - energy[0]) / (energy[1] - energy[0])
        start = np.maximum(1 - np.abs(position - np.arange(len(energy))), 0.0)
        solution = problem.gradient(
            part,
            bid,
            offer,
            sharpness=k,
            value_end=np.zeros(len(energy)),
            occupancy_start=start,
            uniform_share=0.0,
        )
        values.append(solution.value * world.vector_env(1, 0).reward.scale / profit - 1)
    return profit, values


def main(run: str) -> None:
    """Print the errors as rows of a table."""
    world, policy = open_stored_policy(build_experiment(trial(Path(run), [])), Path(run))
    if policy.knots is None:
        raise SystemExit(f"{run} must be a run of algo=bid_curves")
    per_day = world.problem("validation").series.intervals_per_day
    print(f"| sharpness | profit per day | {' | '.join(f'{levels} levels' for levels in LEVELS)} |")
    for place in PLACES:
        for sharpness in SHARPNESS:
            part = slice(place * per_day, (place + DAYS) * per_day)
            profit, values = errors(world, policy, part, sharpness)
            print(f"| {sharpness:g} | {profit / DAYS:,.0f} | {' | '.join(f'{100 * x:.3f} %' for x in values)} |")


if __name__ == "__main__":
    main(sys.argv[1])
