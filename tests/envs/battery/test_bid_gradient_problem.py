"""Bid gradient problem: its rewards move by move, what shaping does to its gradient, and the intervals it trains on."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery import bid_gradient_problem
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.market.rolling_statistics import mean_before
from battery_lab.planning.move_table import move_table
from battery_lab.rewards.cycle_cost import CycleCost
from battery_lab.rewards.exploration import Exploration
from battery_lab.rewards.revenue import Revenue
from battery_lab.rewards.soc_limit import SocLimit
from battery_lab.rewards.undelivered_energy import UndeliveredEnergy
from battery_lab.rewards.weighted_terms import Shaping
from tests.compositions import option
from tests.envs.small_world import make_bidding_world, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

PER_DAY, LEVELS, KNOTS = 48, 17, 3
PRICE = wavy_prices(24, intervals_per_day=PER_DAY)
TRAIN_END = 17 * PER_DAY
BATTERY = make_battery(wear_per_mwh=5.0, grid_fee_per_mwh=2.0)
# A full move is two levels of 17, so that every move ends on a level.
WHOLE_LEVELS = make_battery(wear_per_mwh=5.0, round_trip_efficiency=1.0, soc_min=0.0, soc_max=1.0)
POTENTIAL = option("reward", "potential", ("reward.terms.potential.gamma=1.0",))


def world_of(tmp_path, reward="degradation", battery=BATTERY, gap=None, **changes):
    series = make_series(PRICE, 0.5, **({} if gap is None else {"gap": gap}))
    shaping = option("reward", reward) if isinstance(reward, str) else reward
    return make_bidding_world(tmp_path, series=series, reward=shaping, battery=battery, **changes)


def terms(**values):
    """Return revenue and other terms as a shaping."""
    return Shaping(scale=100.0, gamma=1.0, terms={"revenue": Revenue(weight=1.0), **values})


class Case:
    """A problem with random bids and offers around the prices of a slice."""

    def __init__(self, problem, part=slice(-PER_DAY, None), sharpness=40.0):
        rng = np.random.default_rng(0)
        self.problem, self.part, self.sharpness = problem, part, sharpness
        rows = len(problem.scaled_price[part])
        middle = np.median(problem.scaled_price) + rng.normal(0, 0.02, (rows, 1)) - np.linspace(-0.02, 0.02, KNOTS)
        self.bid, self.offer = middle - 0.01, middle + 0.01
        levels = len(problem.first_values()[0])
        self.start, self.value_end = np.zeros(levels), np.zeros(levels)
        self.start[levels // 2] = 1.0

    def solve(self, **changes):
        chosen = {"bid": self.bid, "offer": self.offer, "value_end": self.value_end} | changes
        bids = (chosen.pop("bid"), chosen.pop("offer"))
        settings = {"sharpness": self.sharpness, "occupancy_start": self.start, "uniform_share": 0.0}
        return self.problem.gradient(self.part, *bids, **settings | chosen)

    def gradients(self, **changes):
        solution = self.solve(**changes)
        return np.stack([solution.bid_gradient, solution.offer_gradient])

    def slope(self, name, t, m, step=1e-6):
        """Return the slope of the value at a bid or an offer, by finite differences."""
        values = []
        for sign in (1, -1):
            changed = getattr(self, name).copy()
            changed[t, m] += sign * step
            values.append(self.solve(**{name: changed}).value)
        return (values[0] - values[1]) / (2 * step)


def close(gradients, expected, tolerance):
    """Return whether gradients agree up to a share of their size."""
    return np.abs(gradients - expected).max() <= tolerance * np.abs(expected).max()


def moved(problem, place, direction):
    """Return the reward of one move from each level: an interval in which a far bid or offer makes it certain."""
    part, far = slice(place, place + 1), 1e3
    bid, offer = (np.full((1, KNOTS), x) for x in {-1: (far, 2 * far), 0: (-far, far), 1: (-2 * far, -far)}[direction])
    nothing = np.zeros(len(problem.first_values()[0]))
    return problem.gradient(
        part, bid, offer, sharpness=1.0, value_end=nothing, occupancy_start=nothing, uniform_share=0.0
    ).value_start


@pytest.mark.parametrize("battery", [BATTERY, make_battery(self_discharge_per_day=0.1)], ids=["plain", "decays"])
@pytest.mark.parametrize("name", ["degradation", "revenue", "published", "soc_penalty", "regret", "potential"])
def test_a_reward_is_that_of_the_transition(tmp_path, name, battery):
    reward = POTENTIAL if name == "potential" else option("reward", name)
    world = world_of(tmp_path, reward, battery)
    problem = world.bidding_problem(LEVELS, KNOTS)
    training = make_series(PRICE[:TRAIN_END], 0.5)
    context = RewardContext(series=training, battery=battery, num_envs=1, hindsight=lambda: world.hindsight)
    shaping, energy = reward.bind(context), move_table(battery, 0.5, LEVELS).energy_mwh
    for place in (0, 17, 300, len(problem.rows) - 1):
        row = problem.rows[place]
        for direction in (-1, 0, 1):
            request = np.full(len(energy), direction * 10.0)
            power, after = battery.step(energy, request, 0.5)
            done = Transition(
                row=np.full(len(energy), row),
                price=np.full(len(energy), PRICE[row]),
                request_mw=request,
                power_mw=power,
                energy_mwh=energy,
                energy_after_mwh=after,
                interval_h=0.5,
                battery=battery,
            )
            np.testing.assert_allclose(moved(problem, place, direction), shaping(done), rtol=1e-5, atol=1e-5)


def test_regret_changes_no_gradient(tmp_path):
    plain, regret = (Case(world_of(tmp_path, name, WHOLE_LEVELS).bidding_problem(LEVELS, KNOTS)) for name in
                     ("degradation", "regret"))  # fmt: skip
    assert close(regret.gradients(), plain.gradients(), 1e-4)
    assert regret.solve().value < plain.solve().value - 1


def test_regret_in_the_middle_of_the_training_period_changes_the_value_at_its_end_alone(tmp_path):
    world = world_of(tmp_path, "regret", WHOLE_LEVELS)
    regret, part = world.bidding_problem(LEVELS, KNOTS), slice(100, 100 + PER_DAY)
    plain = Case(world_of(tmp_path, "degradation", WHOLE_LEVELS).bidding_problem(LEVELS, KNOTS), part)
    energy, scale = np.linspace(0.0, 40.0, LEVELS), world.vector_env(1, 0).reward.scale
    after = world.hindsight.at(np.full(LEVELS, regret.rows[part.stop]), energy) / scale
    assert close(Case(regret, part).gradients(value_end=-after), plain.gradients(), 1e-4)


def test_between_levels_regret_changes_gradients_by_less_than_a_percent(tmp_path):
    plain, regret = (Case(world_of(tmp_path, name).bidding_problem(40, KNOTS)).gradients() for name in
                     ("degradation", "regret"))  # fmt: skip
    assert np.linalg.norm(regret - plain) < 0.01 * np.linalg.norm(plain)


def test_a_potential_with_gamma_one_changes_the_value_at_the_end_alone(tmp_path):
    plain, potential = (Case(world_of(tmp_path, reward, WHOLE_LEVELS).bidding_problem(LEVELS, KNOTS)) for reward in
                        ("degradation", POTENTIAL))  # fmt: skip
    # Stored energy at the mean price of the week before, less wear, as docs/rewards.md defines it.
    worth = max(mean_before(PRICE[:TRAIN_END], 7 * PER_DAY)[TRAIN_END] - 5.0, 0.0) * np.linspace(0.0, 40.0, LEVELS)
    scale = world_of(tmp_path, battery=WHOLE_LEVELS).vector_env(1, 0).reward.scale
    assert close(potential.gradients(value_end=-worth / scale), plain.gradients(), 1e-4)
    assert not close(potential.gradients(), plain.gradients(), 1e-2)


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_a_potential_with_gamma_one_telescopes_over_gaps(tmp_path, decay):
    battery = make_battery(wear_per_mwh=5.0, self_discharge_per_day=decay)
    gap, hours = np.zeros(len(PRICE), np.bool_), 40
    first, end = TRAIN_END - 3 * PER_DAY, TRAIN_END - 3 * PER_DAY + 2 * hours
    gap[first:end] = True
    energy, starts = move_table(battery, 0.5, LEVELS).energy_mwh, []
    mean = mean_before(PRICE[:TRAIN_END], 7 * PER_DAY)
    scale = world_of(tmp_path, battery=battery, gap=gap).vector_env(1, 0).reward.scale

    def potential(row):
        """Return the potential of each level as docs/rewards.md defines it."""
        return max(mean[row] - 5.0, 0.0) * battery.discharge_efficiency * (energy - 4.0) / scale

    for reward, at_end in (("degradation", np.zeros(len(energy))), (POTENTIAL, -potential(TRAIN_END))):
        problem = world_of(tmp_path, reward, battery, gap).bidding_problem(LEVELS, KNOTS)
        after = np.flatnonzero(problem.rows == end)[0]
        later, earlier = Case(problem, slice(after, None)), Case(problem, slice(after - PER_DAY, after))
        value = problem.value_over_gap(later.solve(value_end=at_end).value_start, end - first)
        starts.append(earlier.solve(value_end=value).value_start)
    assert abs(mean[end] - mean[first]) > 1
    np.testing.assert_allclose(starts[1], starts[0] - potential(first - PER_DAY), atol=1e-4)


@pytest.mark.parametrize(
    "term",
    [
        {"soc_limit": SocLimit(weight=1.0, shape="ramp", margin_soc=0.3, price_per_h=400.0)},
        {"soc_limit": SocLimit(weight=1.0, shape="step", margin_soc=0.1, price_per_h=400.0)},
        {"undelivered": UndeliveredEnergy(weight=1.0, price_per_mwh=50.0)},
        {"cycle_cost": CycleCost(weight=1.0, price_per_cycle=800.0)},
    ],
    ids=["ramp", "step", "undelivered", "cycle_cost"],
)
def test_a_biased_term_changes_the_gradient_as_finite_differences_say(tmp_path, term):
    plain, biased = (Case(world_of(tmp_path, terms(**more)).bidding_problem(LEVELS, KNOTS)) for more in ({}, term))
    without, gradients = plain.gradients(), biased.gradients()
    assert not close(gradients, without, 0.05)
    for number, name in enumerate(("bid", "offer")):
        largest = np.argsort(np.abs(gradients[number]), axis=None)[-8:]
        for t, m in zip(*np.unravel_index(largest, gradients.shape[1:]), strict=True):
            assert gradients[number, t, m] == pytest.approx(biased.slope(name, t, m), rel=1e-3)
            change = biased.slope(name, t, m) - plain.slope(name, t, m)
            assert gradients[number, t, m] - without[number, t, m] == pytest.approx(change, rel=1e-2, abs=1e-4)


def test_a_term_that_counts_visits_is_refused_by_name(tmp_path):
    bonus = Exploration(weight=1.0, bonus=50.0, soc_bins=20, hour_bins=24, anneal_steps=1000)
    world = world_of(tmp_path, terms(bonus_for_new_states=bonus))
    with pytest.raises(ConfigError, match=r"reward\.terms\.bonus_for_new_states depends on the visits of a state.*ppo"):
        world.bidding_problem(LEVELS, KNOTS)


@pytest.mark.parametrize("reward", ["regret", POTENTIAL], ids=["regret", "potential"])
def test_rewards_that_do_not_fit_in_memory_are_computed_again(tmp_path, monkeypatch, reward):
    world = world_of(tmp_path, reward)
    tabulated = world.bidding_problem(LEVELS, KNOTS)
    monkeypatch.setattr(bid_gradient_problem, "TABLE_BYTES", 1000)
    computed = world.bidding_problem(LEVELS, KNOTS)
    for part in (slice(-PER_DAY, None), slice(3, 3 + PER_DAY)):
        tables, none = (Case(problem, part) for problem in (tabulated, computed))
        assert close(tables.gradients(), none.gradients(), 1e-4)
        # The table is float32, so a difference in the last digits shows that there was none.
        assert not np.array_equal(tables.gradients(), none.gradients())


def test_a_table_is_computed_alike_in_chunks(tmp_path, monkeypatch):
    world = world_of(tmp_path, "regret")
    whole = Case(world.bidding_problem(LEVELS, KNOTS), slice(0, 100)).gradients()
    monkeypatch.setattr(bid_gradient_problem, "CHUNK_ROWS", 7)
    np.testing.assert_array_equal(Case(world.bidding_problem(LEVELS, KNOTS), slice(0, 100)).gradients(), whole)


def test_rows_are_the_training_period_without_its_warm_up_and_gaps(tmp_path):
    gap = np.zeros(len(PRICE), np.bool_)
    gap[200:210] = True
    day_back = option("observation", "window")
    rows = world_of(tmp_path, gap=gap, observation=day_back).bidding_problem(LEVELS, KNOTS).rows
    assert rows.tolist() == [*range(PER_DAY + 1, 200), *range(210, TRAIN_END)]


def test_bids_are_on_the_scale_of_actions_and_curves_with_a_known_price_on_that_of_the_observation(tmp_path):
    bidding = world_of(tmp_path)
    problem = bidding.bidding_problem(LEVELS, KNOTS)
    low, high = np.arcsinh(np.array(bidding.action.values[0]) / bidding.action.squash)
    price = PRICE[problem.rows]
    expected = (np.arcsinh(price / bidding.action.squash) - low) / (high - low) * 2 - 1
    np.testing.assert_allclose(problem.scaled_price, expected)
    assert (problem.price_number, problem.intervals_per_day) == (None, PER_DAY)
    for lag in (0, 1):
        for name in ("minimal", "window", "compact"):
            changes = {"series": make_series(PRICE, 0.5), "observation": option("observation", name), "price_lag": lag}
            known = make_world(tmp_path, **changes).bidding_problem(LEVELS, KNOTS)
            observed = known.observations(known.rows)[:, known.price_number]
            np.testing.assert_array_equal(observed, known.scaled_price.astype(np.float32))
            # Except where it is clipped, the observed price rises with the last known price.
            order = np.argsort(PRICE[known.rows - lag])
            assert (np.diff(observed[order]) >= 0).all() and len(np.unique(observed)) > 0.9 * len(observed)


def test_an_observation_without_the_last_price_is_refused_by_name(tmp_path):
    late = option("observation", "minimal", ("observation.features.price.minutes=[30]",))
    changes = {"series": make_series(PRICE, 0.5), "observation": late}
    with pytest.raises(ConfigError, match=r"observation\.features must include the last known price"):
        make_world(tmp_path, **changes).bidding_problem(LEVELS, KNOTS)
    assert world_of(tmp_path, observation=late).bidding_problem(LEVELS, KNOTS).price_number is None


@pytest.mark.parametrize(("name", "numbers"), [("minimal", 1), ("compact", 2)])
def test_observations_leave_the_state_of_charge_at_zero(tmp_path, name, numbers):
    world = world_of(tmp_path, observation=option("observation", name))
    problem = world.bidding_problem(LEVELS, KNOTS)
    seen = problem.observations(problem.rows[:50])
    assert problem.state_numbers == numbers
    assert (seen[:, :numbers] == 0).all() and (seen[:, numbers:] != 0).any(axis=0).sum() > 1
    assert seen.shape == (50, world.layout.size)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_first_values_are_the_energy_at_the_mean_price_and_every_usable_level_alike(tmp_path, decay):
    world = world_of(tmp_path, battery=make_battery(self_discharge_per_day=decay))
    problem = world.bidding_problem(LEVELS, KNOTS)
    value, occupancy = problem.first_values()
    scale = world.vector_env(1, 0).reward.scale
    assert np.ptp(value[-LEVELS:]) == pytest.approx(32 * PRICE[problem.rows].mean() * 0.85**0.5 / scale)
    np.testing.assert_allclose(occupancy[-LEVELS:], 1 / LEVELS)
    assert (occupancy[:-LEVELS] == 0).all() and (len(value) > LEVELS) == (decay > 0)
