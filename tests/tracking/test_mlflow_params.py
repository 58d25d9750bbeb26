"""MLflow parameters: flat, and within limits."""

from __future__ import annotations

from battery_lab.tracking.mlflow_params import flat_params, valid_name


def test_configuration_becomes_flat_names() -> None:
    config = {"algo": {"lr": 0.1, "clip": None}, "network": {"hidden": [64, 64], "shared": True}, "seed": 3}
    assert flat_params(config) == {
        "algo.lr": "0.1",
        "algo.clip": "null",
        "network.hidden": "[64, 64]",
        "network.shared": "true",
        "seed": "3",
    }


def test_lists_of_mappings_are_indexed_and_empty_parts_kept() -> None:
    config = {"reward": {"terms": [{"name": "wear"}, {"name": "regret", "weight": 2}]}, "extras": {}, "none": []}
    assert flat_params(config) == {
        "reward.terms.0.name": "wear",
        "reward.terms.1.name": "regret",
        "reward.terms.1.weight": "2",
        "extras": "{}",
        "none": "[]",
    }


def test_long_values_are_truncated_with_an_ellipsis() -> None:
    short, long = flat_params({"a": "x" * 6000})["a"], flat_params({"a": "x" * 6001})["a"]
    assert short == "x" * 6000
    assert long == "x" * 5999 + "…"


def test_names_contain_only_allowed_characters() -> None:
    assert valid_name("test/equivalent_full_cycles_per_day") == "test/equivalent_full_cycles_per_day"
    assert valid_name("price[€]") == "price___"
    assert len(valid_name("x" * 300)) == 250


def test_resume_is_not_a_parameter() -> None:
    assert flat_params({"resume": "outputs/runs/a", "rerun": None, "seed": 0}) == {"seed": "0"}


def test_choices_are_parameters() -> None:
    config = {"choices": {"algo": "ppo", "reward": "degradation"}, "seed": 0}
    assert flat_params(config) == {"choice.algo": "ppo", "choice.reward": "degradation", "seed": "0"}
    assert flat_params({"choices": None, "seed": 0}) == {"seed": "0"}


def test_group_contained_unchanged_in_another_appears_once() -> None:
    market = {"_target_": "made", "kinds": [{"price": 1}]}
    config = {"env": {"days": 2, "market": market, "inner": [{"market": market}]}, "market": market}
    assert flat_params(config) == {"env.days": "2", "market._target_": "made", "market.kinds.0.price": "1"}


def test_group_contained_with_changes_is_kept() -> None:
    config = {"env": {"market": {"seed": 1}, "seed": 0}, "market": {"seed": 0}, "seed": 0}
    assert flat_params(config) == {"env.market.seed": "1", "env.seed": "0", "market.seed": "0", "seed": "0"}
