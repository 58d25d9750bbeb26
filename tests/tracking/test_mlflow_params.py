"""Parameters and addresses as a store shows them: flat, within limits, nothing secret."""

from __future__ import annotations

import pytest

from battery_lab.tracking.mlflow_params import flat_params, trial_digest, valid_name
from battery_lab.tracking.mlflow_tracking import reason
from battery_lab.tracking.sync_state import public


def test_a_composition_becomes_flat_names() -> None:
    config = {"algo": {"lr": 0.1, "clip": None}, "network": {"hidden": [64, 64], "shared": True}, "seed": 3}
    assert flat_params(config) == {
        "algo.lr": "0.1",
        "algo.clip": "null",
        "network.hidden": "[64, 64]",
        "network.shared": "true",
        "seed": "3",
    }


def test_lists_of_mappings_are_flat_by_place_and_empty_parts_stay() -> None:
    config = {"reward": {"terms": [{"name": "wear"}, {"name": "regret", "weight": 2}]}, "extras": {}, "none": []}
    assert flat_params(config) == {
        "reward.terms.0.name": "wear",
        "reward.terms.1.name": "regret",
        "reward.terms.1.weight": "2",
        "extras": "{}",
        "none": "[]",
    }


def test_long_values_end_in_an_ellipsis_at_the_limit() -> None:
    short, long = flat_params({"a": "x" * 6000})["a"], flat_params({"a": "x" * 6001})["a"]
    assert short == "x" * 6000
    assert long == "x" * 5999 + "…"


def test_names_keep_to_what_mlflow_allows() -> None:
    assert valid_name("test/equivalent_full_cycles_per_day") == "test/equivalent_full_cycles_per_day"
    assert valid_name("price[€]") == "price___"
    assert len(valid_name("x" * 300)) == 250


def test_where_a_run_was_resumed_from_is_no_parameter() -> None:
    assert flat_params({"resume": "outputs/runs/a", "rerun": None, "seed": 0}) == {"seed": "0"}


def test_the_chosen_options_are_parameters_of_their_own() -> None:
    config = {"choices": {"algo": "ppo", "reward": "degradation"}, "seed": 0}
    assert flat_params(config) == {"choice.algo": "ppo", "choice.reward": "degradation", "seed": "0"}
    assert flat_params({"choices": None, "seed": 0}) == {"seed": "0"}


def test_a_group_that_another_takes_over_whole_is_there_once_under_its_own_name() -> None:
    market = {"_target_": "made", "kinds": [{"price": 1}]}
    config = {"env": {"days": 2, "market": market, "inner": [{"market": market}]}, "market": market}
    assert flat_params(config) == {"env.days": "2", "market._target_": "made", "market.kinds.0.price": "1"}


def test_a_group_that_was_changed_where_it_is_taken_over_stays() -> None:
    config = {"env": {"market": {"seed": 1}, "seed": 0}, "market": {"seed": 0}, "seed": 0}
    assert flat_params(config) == {"env.market.seed": "1", "env.seed": "0", "market.seed": "0", "seed": "0"}


def test_the_digest_is_of_the_trial_and_not_of_its_place() -> None:
    trial = {"seed": 0, "algo": {"lr": 0.1}, "outputs": "outputs", "tracking": {"uri": "a://b"}, "resume": None}
    moved = {"algo": {"lr": 0.1}, "seed": 0, "outputs": "/elsewhere", "tracking": {}, "resume": "x"}
    assert trial_digest(trial) == trial_digest(moved)
    assert trial_digest(trial) != trial_digest({**trial, "seed": 1})


def test_the_digest_is_the_same_whether_or_not_the_choices_are_known() -> None:
    assert trial_digest({"seed": 0, "choices": {"algo": "ppo"}}) == trial_digest({"seed": 0})


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////data/outputs/mlflow.db", "sqlite:////data/outputs/mlflow.db"),
        ("sqlite:///outputs/a@b.db", "sqlite:///outputs/a@b.db"),
        ("postgresql://me:geheim@host:5432/lab?sslmode=require", "postgresql://host:5432/lab"),
        ("https://me:ge@heim@host/path", "https://host/path"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_an_address_is_shown_without_user_password_and_query(uri: str, shown: str) -> None:
    assert public(uri) == shown
    assert flat_params({"tracking": {"uri": uri}}) == {"tracking.uri": shown}


def test_what_a_store_says_of_its_failure_is_one_short_line_without_the_password() -> None:
    uri = "postgresql://me:geheim@host/lab"
    error = OSError(f"cannot connect to {uri} as me:geheim, password geheim refused" + "x" * 300 + "\nmore")
    said = reason(error, uri)
    assert said.startswith("cannot connect to *** as ***, password *** refused")
    assert len(said) == 200
    assert "\n" not in said
