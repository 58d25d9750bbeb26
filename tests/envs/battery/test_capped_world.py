"""A world with caps on cycles: policies, baselines and bids keep them, and metrics and reports say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.baselines.random_dispatch import RandomDispatch
from battery_lab.baselines.stochastic_dp import StochasticDP
from battery_lab.envs.battery import parallel_stretches
from battery_lab.envs.battery.action_set import ActionSet
from battery_lab.envs.battery.cycle_caps import left_shares, new_meters
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.planning.capped_optimum import capped_plan
from tests.baselines.small_problem import make_baseline
from tests.compositions import option
from tests.envs.small_world import make_option, make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

DAILY, YEARLY = {"max_cycles_per_day": 0.6}, {"max_cycles_per_year": 150.0}
CAPS = [DAILY, YEARLY, DAILY | YEARLY]
IDS = ["daily", "yearly", "both"]
CAUSAL = {
    "random": RandomDispatch(seed=0),
    "receding_horizon": make_baseline("receding_horizon", horizon_h=12.0, replan_minutes=120.0, days=3, forecasts=None),
    "stochastic_dp": StochasticDP(quantiles=[0.1, 0.3, 0.5, 0.7, 0.9], days=3),
}
THREE_LEVELS = ActionSet(kind="discrete", levels=3, power_mw=10.0)


def half_hours(days=24):
    return make_series(wavy_prices(days, 1, 48), 0.5)


def world_of(folder, caps, **changes):
    battery = make_battery(wear_per_mwh=5.0, **caps)
    fields = {"battery": battery, "baselines": make_option(folder).baselines | CAUSAL} | changes
    world = make_option(folder, half_hours(), **fields)
    return world.open("continuous" if world.actions == "bids" else "discrete")


def shows_caps(name="minimal"):
    return option("observation", name, ["observation.cap_left=true"])


def check_caps(frame, battery):
    """Assert that a course of a period keeps the caps."""
    sold = np.maximum(frame.power_mw, 0) / 2
    per_day = sold.groupby(frame.local_start.dt.date).sum()
    if battery.max_cycles_per_day:
        assert per_day.max() <= 40 * battery.max_cycles_per_day + 1e-9
    if battery.max_cycles_per_year:
        assert sold.sum() <= 40 * battery.max_cycles_per_year * len(frame) / 48 / 365 + 1e-9


@pytest.mark.parametrize("bids", [False, True])
@pytest.mark.parametrize("caps", CAPS, ids=IDS)
def test_every_baseline_keeps_the_caps_and_none_beats_perfect_foresight(tmp_path, caps, bids):
    world = world_of(tmp_path, caps, actions="bids" if bids else "auto")
    evaluations = world.baselines("test")
    best = evaluations["perfect_foresight"].metrics["profit_per_day"]
    for evaluation in evaluations.values():
        check_caps(evaluation.frame, world._option.battery)
        assert evaluation.metrics["profit_per_day"] <= best * 1.001
    free = world_of(tmp_path, {}).baselines("test")["perfect_foresight"]
    assert 0 < best < free.metrics["profit_per_day"]


@pytest.mark.parametrize("caps", CAPS, ids=IDS)
def test_planning_baselines_pay_a_throughput_price_that_is_not_in_their_accounts(tmp_path, caps):
    world = world_of(tmp_path, caps)
    assert world.throughput_price > 0
    priced = replace(world.problem("test"), throughput_price=1e5)
    assert priced.planning_battery.wear_per_mwh == 1e5 + 5
    unpriced, free = replace(priced, throughput_price=0.0), replace(priced, battery=world._option.battery.priced(0.0))
    sold = []
    for problem in (priced, unpriced):
        requests = CAUSAL["stochastic_dp"].requests(problem)
        done = Dispatch.replay(problem, requests).transition
        np.testing.assert_allclose(done.wear, 5.0 * done.sold_mwh)
        sold.append(Dispatch.replay(free, requests).transition.sold_mwh.sum())
    assert sold[0] == 0 < sold[1]


def test_without_caps_there_is_no_throughput_price(tmp_path):
    assert world_of(tmp_path, {}).throughput_price == 0


def thresholds(observation):
    """Sells at high prices and buys at low ones, less eagerly if little is left of the caps."""
    soc, price, left = observation[:, 0], observation[:, -2], observation[:, 1:-2].sum(axis=1)
    return np.where(price > 0.4 - 0.6 * soc - 0.2 * left, 2, np.where(price < -0.2 - 0.5 * soc, 0, 1))


def restless(observation):
    """Depends on the last digits of the state, so that runs from different starts never merge."""
    return (np.abs(observation[:, :-1].sum(axis=1) * 1e4).astype(np.int64)) % 3


def in_order(problem, actor, observer):
    """Return the requests of a policy that runs interval by interval."""
    energy, meters = np.array([problem.battery.energy_start_mwh]), new_meters(1)
    requests = []
    for place, row in enumerate(range(problem.first, problem.end)):
        rows = np.array([place])
        left = left_shares(meters, rows, problem.allowance) if observer.shows_caps else None
        request = THREE_LEVELS.request_mw(actor(observer(np.array([row]), energy, left)), np.zeros(1))
        _, energy = problem.battery.step_within(energy, request, 0.5, rows, problem.allowance, meters)
        requests.append(request[0])
    return np.array(requests)


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("actor", [thresholds, restless])
@pytest.mark.parametrize("caps", CAPS, ids=IDS)
def test_stretches_equal_the_run_in_order_under_caps(tmp_path, caps, actor, shown):
    world = world_of(tmp_path, caps, observation=shows_caps() if shown else option("observation", "minimal"))
    problem = world.problem("test")
    requests, _ = parallel_stretches.run_policy(problem, actor, world._observer, THREE_LEVELS)
    np.testing.assert_array_equal(requests, in_order(problem, actor, world._observer))
    evaluation = world.evaluate(actor, "test")
    check_caps(evaluation.frame, problem.battery)
    power, request = evaluation.frame.power_mw, evaluation.frame.request_mw
    stored = evaluation.frame.soc > 0.2
    assert ((power < request - 1) & stored).any()  # a cap, not an empty store


@pytest.mark.parametrize(
    ("caps", "names"),
    [
        ({}, set()),
        (DAILY, {"max_cycles_in_a_day", "daily_cap_used"}),
        (YEARLY, {"yearly_cap_used"}),
        (DAILY | YEARLY, {"max_cycles_in_a_day", "daily_cap_used", "yearly_cap_used"}),
    ],
    ids=["none", *IDS],
)
def test_metrics_say_what_is_used_of_those_caps_that_are_set(tmp_path, caps, names):
    world = world_of(tmp_path, caps)
    metrics = world.evaluate(lambda observation: np.full(len(observation), 2), "test").metrics
    foresight = world.baselines("test", ["perfect_foresight"])["perfect_foresight"].metrics
    usual = {"profit_per_day", "revenue_per_day", "equivalent_full_cycles_per_day"}
    assert set(metrics) == {metric.name for metric in world.metrics} == usual | names
    if "max_cycles_in_a_day" in names:
        assert foresight["max_cycles_in_a_day"] <= 0.6 + 1e-9
        assert 0 < foresight["daily_cap_used"] <= 1
    if "yearly_cap_used" in names:
        assert 0.9 < foresight["yearly_cap_used"] <= 1


@pytest.mark.parametrize("caps", [{}, *CAPS], ids=["none", *IDS])
def test_perfect_foresight_states_its_duality_gap_under_caps(tmp_path, caps):
    first, cached = (world_of(tmp_path, caps).baselines("test", ["perfect_foresight", "rule"]) for _ in range(2))
    assert first["perfect_foresight"].metrics == cached["perfect_foresight"].metrics
    assert "duality_gap" not in first["rule"].metrics
    if not caps:
        assert "duality_gap" not in first["perfect_foresight"].metrics
        return
    problem = world_of(tmp_path, caps).problem("test")
    plan = capped_plan(problem.dispatched.price, problem.battery, 0.5, problem.allowance.day)
    gap = first["perfect_foresight"].metrics["duality_gap"]
    assert gap == pytest.approx(1 - plan.profit / plan.upper_bound, abs=1e-9)
    assert -1e-4 <= gap <= 0.01


def test_what_is_known_and_the_summary_name_the_caps(tmp_path):
    free, capped = (
        world_of(tmp_path, caps) for caps in ({}, {"max_cycles_per_day": 1.0, "max_cycles_per_year": 300.0})
    )
    assert free.known == "price known"
    assert capped.known == "price known, at most 1 cycle per day, at most 300 cycles per year"
    assert capped.known_code == free.known_code
    assert "Caps" not in free.summary()
    assert capped.summary()["Caps"] == "at most 1 cycle per day, at most 300 cycles per year"


def test_the_summary_names_wear_on_charging(tmp_path):
    world = world_of(tmp_path, {"wear_per_mwh_charged": 2.5})
    assert "wear 5 EUR/MWh discharged and 2.5 EUR/MWh charged" in world.summary()["Battery"]


def test_results_are_cached_separately_for_each_cap(tmp_path):
    profits = [
        world_of(tmp_path, {"max_cycles_per_day": cap}).baselines("test", ["rule"])["rule"].metrics["profit_per_day"]
        for cap in (0.05, 0.5, None)
    ]
    assert len(set(profits)) == 3


@pytest.mark.parametrize("name", ["minimal", "compact"])
def test_observations_show_what_is_left_if_they_are_to(tmp_path, name):
    world = make_world(tmp_path, observation=shows_caps(name), battery=make_battery(max_cycles_per_day=0.25))
    plain = make_world(tmp_path, observation=option("observation", name))
    assert world.layout.size == plain.layout.size + 2
    place = world._observer.state_numbers - 2
    assert world.layout.names[place : place + 2] == (
        "fraction left of the day's cycles",
        "cycles saved against a steady use, fraction of the year's",
    )
    env = world.vector_env(3, seed=0)
    seen = [env.reset(seed=0)[0], *(env.step(np.full(3, 2))[0] for _ in range(40))]
    left = np.array(seen)[:, :, place : place + 2]
    assert (left[0] == [1, 0]).all()
    assert left[:, :, 0].min() == pytest.approx(0, abs=1e-6)
    assert (left[:, :, 1] == 0).all()


def test_a_policy_that_observes_what_is_left_passes_the_audit(tmp_path):
    world = world_of(tmp_path, DAILY | YEARLY, observation=shows_caps())
    (check,) = world.audit(thresholds, "test", moments=6, seed=0)
    assert check.passed


def test_a_decision_function_runs_under_caps(tmp_path):
    world = world_of(tmp_path, DAILY)
    evaluations, _ = world.audit_function(lambda: lambda known: 10.0, "seller", "test", moments=1, seed=0)
    check_caps(evaluations["seller"].frame, world._option.battery)


def test_the_bidding_problem_pays_the_throughput_price_on_what_it_sells(tmp_path):
    free, capped = (world_of(tmp_path, caps, actions="bids").bidding_problem(20, 3) for caps in ({}, DAILY))
    price = world_of(tmp_path, DAILY, actions="bids").throughput_price
    part = slice(0, 2)
    paid = (free._rewards(part) - capped._rewards(part)).reshape(2, 3, -1) * free._reward.scale
    sold = np.maximum(free._moves.power_mw, 0) * 0.5
    np.testing.assert_allclose(paid, np.broadcast_to(price * sold, paid.shape), atol=1e-9)


def test_environments_pay_the_throughput_price_with_any_reward(tmp_path):
    world, reward = world_of(tmp_path, DAILY, reward=option("reward", "revenue")), 0.0
    env = world.vector_env(20, seed=0)
    env.reset(seed=0)
    for _ in range(5):
        reward += env.step(np.full(20, 2))[1].sum()
    log = env.take_log()
    paid = log["reward_terms/throughput_price"]
    assert paid < 0
    assert reward * env.reward.scale / 100 == pytest.approx(log["reward_terms/revenue"] + paid)


def test_bid_curves_pay_the_price_with_the_weight_of_regret(tmp_path):
    one, three = (
        world_of(
            tmp_path,
            YEARLY,
            actions="bids",
            reward=option("reward", "regret", [f"reward.terms.regret.weight={weight}"]),
        ).bidding_problem(20, 3)
        for weight in (1.0, 3.0)
    )
    np.testing.assert_allclose(three._rewards(slice(0, 50)), 3 * one._rewards(slice(0, 50)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_regret_pays_the_throughput_price_that_its_value_includes(tmp_path, weight):
    world = world_of(tmp_path, YEARLY, reward=option("reward", "regret", [f"reward.terms.regret.weight={weight}"]))
    env = world.vector_env(20, seed=0)
    env.reset(seed=0)
    rewards = np.concatenate([env.step(np.full(20, action))[1] for action in (0, 1, 2) * 10])
    # No action is better than that of perfect foresight, up to the table's interpolation.
    assert rewards.max() < 1e-3
    assert rewards.min() < -0.01
