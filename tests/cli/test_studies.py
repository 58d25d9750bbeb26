"""Studies: each experiment=<study> is a sweep with its own variants, seeds and budgets."""

from __future__ import annotations

import pytest


@pytest.mark.walk
@pytest.mark.parametrize(
    ("study", "swept", "variants"), [("reward_study", "reward", 6), ("observation_study", "observation", 4)]
)
def test_a_study_is_a_sweep_whose_seeds_the_command_line_may_change(sweep, study: str, swept: str, variants: int):
    output, taken = sweep(f"experiment={study}", "seed=3")
    assert (output.status, output.err) == (0, "")
    assert {experiment.seed for experiment in taken} == {3}
    assert len({experiment.config["choices"][swept] for experiment in taken}) == variants == len(taken)


@pytest.mark.walk
def test_options_of_a_study_may_be_narrowed_without_multirun_and_other_experiments_are_no_sweeps(sweep):
    output, taken = sweep("experiment=observation_study", "observation=minimal,compact", "seed=0")
    assert (output.status, len(taken)) == (0, 2)
    output, _ = sweep("experiment=published", "algo=ppo,dqn")
    assert output.err == "error: algo=ppo,dqn has several values: add --multirun to run one trial per value\n"


@pytest.mark.walk
def test_studies_of_algorithms_give_each_its_budget_and_may_bid(sweep):
    for study, actions in (("algo_study", "auto"), ("bids_study", "bids")):
        _, taken = sweep(f"experiment={study}", "seed=0")
        steps = {type(experiment.algo).__name__: experiment.train.env_steps for experiment in taken}
        assert steps == {"BidCurves": 8_000_000, "PPO": 5_000_000, "SAC": 1_000_000, "DQN": 500_000}
        assert {experiment.env.actions for experiment in taken} == {actions}
        taken.clear()


@pytest.mark.walk
def test_the_battery_study_varies_duration_and_wear(sweep):
    _, taken = sweep("experiment=battery_study", "seed=0")
    batteries = [(one.env.battery.capacity_mwh, one.env.battery.wear_per_mwh) for one in taken]
    assert batteries == [(capacity, wear) for capacity in (20, 40) for wear in (0, 10, 30)]


@pytest.mark.walk
def test_the_walk_forward_study_tests_two_years_in_a_row(sweep):
    _, taken = sweep("experiment=walk_forward_study")
    assert {(one.env.test_days, one.env.validation_days) for one in taken} == {(30, 1)}
    assert [one.env.skip_last_days for one in taken] == list(range(0, 720, 30))


@pytest.mark.walk
def test_the_price_lag_study_compares_three_kinds_of_knowledge(sweep):
    _, taken = sweep("experiment=price_lag_study", "seed=0", "env.price_lag=0")
    assert {(one.env.actions, one.env.price_lag) for one in taken} == {("auto", 0), ("bids", 0)}
    taken.clear()
    _, taken = sweep("experiment=price_lag_study", "seed=0")
    assert [(one.env.actions, one.env.price_lag) for one in taken] == [("auto", 0), ("auto", 1), ("bids", 1)]
