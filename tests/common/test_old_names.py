"""Old names: each leads to a module or class that exists, also over two renames."""

from __future__ import annotations

from importlib import import_module

import pytest

from battery_lab.common.old_module_imports import install
from battery_lab.common.old_names import MODULES, PACKAGE, RENAMED, current_name, original_name


@pytest.mark.parametrize("old", MODULES)
def test_an_old_module_is_the_current_one(old):
    install()
    current, alias = (import_module(f"{PACKAGE}.{name}") for name in (MODULES[old], old))
    defined = [name for name, value in vars(current).items() if getattr(value, "__module__", "") == current.__name__]
    assert defined
    assert all(getattr(alias, name) is getattr(current, name) for name in defined)


@pytest.mark.parametrize(("module", "name"), RENAMED.values())
def test_a_renamed_class_exists(module, name):
    assert hasattr(import_module(f"{PACKAGE}.{module}"), name)


@pytest.mark.parametrize(
    "name",
    ["worlds.WorldSource", "envs.loader.WorldSource", "envs.world_loader.WorldSource", "envs.world_cache.WorldSource"],
)
def test_names_over_two_renames_mean_the_same_class(name):
    assert current_name(f"{PACKAGE}.{name}") == f"{PACKAGE}.envs.world_cache.WorldSource"


def test_a_class_keeps_its_first_name_in_identities():
    assert original_name(f"{PACKAGE}.envs.world_cache.WorldSource") == f"{PACKAGE}.worlds.WorldSource"


@pytest.mark.parametrize(
    "old", ["rollout.stock.KeepsCoefficients", "rllib.stock_replay_and_learners.CheckpointedPPOLearner"]
)
def test_a_class_of_a_module_that_was_split_is_found(old):
    name = f"{PACKAGE}.rllib.stock_learners.CheckpointedPPOLearner"
    assert current_name(f"{PACKAGE}.{old}") == name
    assert original_name(name) == f"{PACKAGE}.rollout.stock.KeepsCoefficients"
    module, _, attribute = old.rpartition(".")
    install()
    assert getattr(import_module(f"{PACKAGE}.{module}"), attribute).__qualname__ == "CheckpointedPPOLearner"


@pytest.mark.parametrize("old", ["market.synthetic_offers", "market.synthetic_supply", "market.synthetic_bursts"])
def test_a_class_that_a_split_moved_is_found_under_its_old_names(old):
    install()
    spikes = f"{PACKAGE}.market.synthetic_prices.bursts.Spikes"
    assert current_name(f"{PACKAGE}.{old}.Spikes") == spikes
    assert import_module(f"{PACKAGE}.{old}").Spikes is import_module(f"{PACKAGE}.market.synthetic_prices.bursts").Spikes
    assert original_name(spikes) == f"{PACKAGE}.market.synthetic_offers.Spikes"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("market.synthetic_regimes.Regime", "market.synthetic_offers.Regime"),
        ("envs.battery.transition.Transition", "transition.Transition"),
        ("tracking.mlflow_tracking.MlflowTracking", "tracking.mlflow_tracking.MlflowTracking"),
    ],
)
def test_a_class_of_a_module_that_was_renamed_later_keeps_its_first_name(name, first):
    current = current_name(f"{PACKAGE}.{name}")
    module, _, attribute = current.rpartition(".")
    assert hasattr(import_module(module), attribute)
    assert original_name(current) == f"{PACKAGE}.{first}"
