"""Search space: Hydra's override syntax as domains of Ray Tune."""

from __future__ import annotations

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.battery_lab_launchers._tune_search import RandomSearch
from hydra_plugins.battery_lab_launchers._tune_space import parse_space

from battery_lab.common.errors import ConfigError


def space_of(*overrides):
    return parse_space(OverridesParser.create().parse_overrides(list(overrides)), ["seed"])


def draw(space, count=400, seed=0):
    search = RandomSearch(space.domains, seed)
    return [search.suggest(str(number)) for number in range(count)]


def test_log_interval_is_uniform_over_decades():
    values = [point["algo.lr"] for point in draw(space_of("algo.lr=tag(log,interval(1e-5,1e-2))"))]
    assert min(values) >= 1e-5 and max(values) <= 1e-2
    decades = np.histogram(np.log10(values), bins=[-5, -4, -3, -2])[0] / len(values)
    assert np.allclose(decades, 1 / 3, atol=0.08)


def test_interval_is_uniform():
    values = [point["a"] for point in draw(space_of("a=interval(0.9,1.0)"))]
    assert np.allclose(np.histogram(values, bins=4, range=(0.9, 1.0))[0] / len(values), 0.25, atol=0.08)


def test_integer_interval_includes_both_ends():
    assert {point["a"] for point in draw(space_of("a=int(interval(2,5))"), 100)} == {2, 3, 4, 5}


@pytest.mark.parametrize("override", ["a=choice(1,2,x)", "a=1,2,x"])
def test_choices_keep_their_values_as_typed(override):
    space = space_of(override)
    assert {point["a"] for point in draw(space, 100)} == {"1", "2", "x"}
    assert space.overrides({"a": "x"}) == [["a=x"]]


def test_range_is_a_choice():
    assert {point["a"] for point in draw(space_of("a=range(1,6,2)"), 100)} == {"1", "3", "5"}


def test_each_point_is_tried_with_every_seed():
    space = space_of("env=battery", "a=interval(0,1)", "seed=range(0,2)")
    assert list(space.domains) == ["a"]
    assert space.overrides({"a": 0.25}) == [["env=battery", "a=0.25", f"seed={seed}"] for seed in (0, 1)]


def test_point_is_read_back_from_overrides():
    space = space_of("a=interval(0,1)", "b=int(interval(1,9))", "c=x,y", "seed=1,2")
    point = {"a": 0.1234567890123, "b": 3, "c": "x"}
    for overrides in space.overrides(point):
        assert space.point(overrides) == point
    assert space.point(["a=0.5", "b=2"]) is None


@pytest.mark.parametrize("outside", ["a=1.5", "b=10", "b=x", "c=z"])
def test_values_outside_the_space_are_not_a_point(outside):
    space = space_of("a=interval(0,1)", "b=int(interval(1,9))", "c=x,y")
    inside = ["a=1.0", "b=9", "c=y"]
    assert space.point(inside) == {"a": 1.0, "b": 9, "c": "y"}
    changed = [outside if choice[0] == outside[0] else choice for choice in inside]
    assert space.point(changed) is None


def test_draws_depend_on_the_seed():
    space = space_of("a=interval(0,1)")
    assert draw(space, 5) == draw(space, 5) != draw(space, 5, seed=1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["a=1"], "has nothing to search"),
        (["seed=1,2"], "has nothing to search"),
        (["a=interval(1,0)"], r"a=interval\(1,0\) must be an interval whose start is below its end"),
        (["a=tag(log,interval(0,1))"], "whose start, which must be above 0 on a log scale, is below its end"),
        (["a=interval(0,1)", "seed=interval(0,1)"], r"seed=interval\(0,1\) must be a list, as seed repeats each point"),
    ],
)
def test_invalid_spaces(overrides, message):
    with pytest.raises(ConfigError, match=message):
        space_of(*overrides)
