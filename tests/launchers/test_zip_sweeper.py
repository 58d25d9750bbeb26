"""Zip sweeper: lists are zipped, and seeds repeat each trial."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra_plugins.battery_lab_launchers import zip_sweeper


def trials(*overrides, batch=None):
    # Looked up in the module, which Hydra executes again when it looks for plugins.
    sweeper = zip_sweeper.ZipSweeper(repeats=["seed"], max_batch_size=batch, params=None)
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return sweeper.split_arguments(parsed, batch)


def test_lists_are_zipped():
    assert trials("algo.lr=1e-3,1e-4", "env=battery", "algo.gamma=0.9,0.99") == [
        [
            ["algo.lr=0.001", "env=battery", "algo.gamma=0.9"],
            ["algo.lr=0.0001", "env=battery", "algo.gamma=0.99"],
        ]
    ]


def test_seeds_repeat_each_trial():
    (batch,) = trials("a=1,2", "seed=range(0,3)", "b=x,y")
    assert batch == [[f"a={a}", f"seed={seed}", f"b={b}"] for a, b in ((1, "x"), (2, "y")) for seed in range(3)]


def test_a_single_seed_applies_to_all_trials():
    assert trials("seed=7", "a=1,2") == [[["seed=7", "a=1"], ["seed=7", "a=2"]]]


def test_seeds_alone_are_a_sweep():
    assert trials("seed=1,2", "a=3") == [[["seed=1", "a=3"], ["seed=2", "a=3"]]]


def test_overrides_without_lists_are_one_trial():
    assert trials("a=1") == [[["a=1"]]]


def test_batches_have_at_most_max_batch_size_trials():
    assert [len(batch) for batch in trials("a=1,2,3", batch=2)] == [2, 1]


def test_lists_of_unequal_length_are_an_error():
    with pytest.raises(HydraException, match="a has 2, b has 3: make them equal, or use sweeper=grid"):
        trials("a=1,2", "b=1,2,3")


def test_an_interval_is_an_error():
    with pytest.raises(HydraException, match=r"a=interval\(0,1\) is an interval: list its values, or use sweeper=tune"):
        trials("a=interval(0,1)")
