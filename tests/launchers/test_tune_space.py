"""Hydra's syntax as a space that Ray Tune searches."""

from __future__ import annotations

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.battery_lab_launchers._tune_search import RandomSearch
from hydra_plugins.battery_lab_launchers._tune_space import space

from battery_lab.common.errors import ConfigError


def parsed(*overrides):
    return space(OverridesParser.create().parse_overrides(list(overrides)), ["seed"])


def drawn(found, count=400, seed=0):
    search = RandomSearch(found.domains, seed)
    return [search.suggest(str(number)) for number in range(count)]


def test_an_interval_on_a_log_scale_has_as_much_in_each_decade():
    values = [point["algo.lr"] for point in drawn(parsed("algo.lr=tag(log,interval(1e-5,1e-2))"))]
    assert min(values) >= 1e-5 and max(values) <= 1e-2
    decades = np.histogram(np.log10(values), bins=[-5, -4, -3, -2])[0] / len(values)
    assert np.allclose(decades, 1 / 3, atol=0.08)


def test_an_interval_has_as_much_in_each_part():
    values = [point["a"] for point in drawn(parsed("a=interval(0.9,1.0)"))]
    assert np.allclose(np.histogram(values, bins=4, range=(0.9, 1.0))[0] / len(values), 0.25, atol=0.08)


def test_an_interval_of_whole_numbers_has_both_ends():
    assert {point["a"] for point in drawn(parsed("a=int(interval(2,5))"))} == {2, 3, 4, 5}


@pytest.mark.parametrize("written", ["a=choice(1,2,x)", "a=1,2,x"])
def test_a_choice_has_its_values_as_they_were_written(written):
    found = parsed(written)
    assert {point["a"] for point in drawn(found)} == {"1", "2", "x"}
    assert found.overrides({"a": "x"}) == [["a=x"]]


def test_a_range_is_a_choice():
    assert {point["a"] for point in drawn(parsed("a=range(1,6,2)"))} == {"1", "3", "5"}


def test_each_point_is_tried_with_every_seed():
    found = parsed("env=battery", "a=interval(0,1)", "seed=range(0,2)")
    assert list(found.domains) == ["a"]
    assert found.overrides({"a": 0.25}) == [["env=battery", "a=0.25", f"seed={seed}"] for seed in (0, 1)]


def test_a_trial_tells_its_point():
    found = parsed("a=interval(0,1)", "b=int(interval(1,9))", "c=x,y", "seed=1,2")
    point = {"a": 0.1234567890123, "b": 3, "c": "x"}
    for overrides in found.overrides(point):
        assert found.point(overrides) == point
    assert found.point(["a=0.5", "b=2"]) is None


@pytest.mark.parametrize("outside", ["a=1.5", "b=10", "b=x", "c=z"])
def test_what_lies_outside_of_a_space_is_none_of_its_points(outside):
    found = parsed("a=interval(0,1)", "b=int(interval(1,9))", "c=x,y")
    inside = ["a=1.0", "b=9", "c=y"]
    assert found.point(inside) == {"a": 1.0, "b": 9, "c": "y"}
    changed = [outside if choice[0] == outside[0] else choice for choice in inside]
    assert found.point(changed) is None


def test_the_same_seed_draws_the_same_points_and_another_draws_others():
    found = parsed("a=interval(0,1)")
    assert drawn(found, 5) == drawn(found, 5) != drawn(found, 5, seed=1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["a=1"], "nothing is to be searched"),
        (["seed=1,2"], "nothing is to be searched"),
        (["a=interval(1,0)"], r"a=interval\(1,0\) must be an interval whose start is below its end"),
        (["a=tag(log,interval(0,1))"], "whose start, above 0 on a log scale, is below its end"),
        (["a=interval(0,1)", "seed=interval(0,1)"], r"seed=interval\(0,1\) must be a list, as seed repeats each point"),
    ],
)
def test_what_is_no_space_is_told(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parsed(*overrides)
