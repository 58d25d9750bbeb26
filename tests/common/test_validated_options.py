"""Options check their own values, and their errors say what a value must be."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Rule, Unit, at, options

Letters = Annotated[str, Field(pattern="^[a-z]+$"), Rule("letters")]


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


@options("store")
class Store:
    power_mw: Annotated[float, Field(gt=0), Unit("MW")] = 1.0
    low: Annotated[float, Field(ge=0, lt=1)] = 0.1
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    count: Annotated[Int, Field(ge=1)] = 2
    limit: Annotated[Int, Field(ge=1, le=8)] | None = None
    stamps: Literal["start", "end"] = "start"
    whole: bool = True
    name: str | None = None
    hidden: Sequence[int] = (16, 16)
    cuts: tuple[float, ...] = ()
    lead_h: Mapping[str, float] = Field(default_factory=dict)
    tags: Mapping[Letters, Letters] = Field(default_factory=dict)
    shares: Annotated[Sequence[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] = (0.5,)
    powers: Annotated[Sequence[Annotated[float, Field(ge=0), Unit("MW")]], Field(min_length=2, max_length=2)] = (
        1.0,
        2.0,
    )
    parts: Annotated[Mapping[str, Unit], Field(min_length=1)] = Field(default_factory=lambda: {"a": Unit("MW")})
    even: Annotated[int, AfterValidator(_even), Rule("an even number")] = 2
    region: Annotated[str, Field(pattern="^[a-z]+-[a-z]+-[0-9]$"), Rule("a region such as eu-west-1")] | None = None

    def __post_init__(self) -> None:
        require(self.low < self.share, "store.low", f"must be less than store.share = {self.share}", self.low)


@options("store")
class LargeStore(Store):
    size: Annotated[Int, Field(ge=3)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"power_mw": -1}, "store.power_mw must be greater than 0 MW, got -1"),
        ({"power_mw": float("inf")}, "store.power_mw must be greater than 0 MW, got inf"),
        ({"power_mw": float("nan")}, "store.power_mw must be greater than 0 MW, got nan"),
        ({"power_mw": "1"}, "store.power_mw must be greater than 0 MW, got '1'"),
        ({"power_mw": True}, "store.power_mw must be greater than 0 MW, got True"),
        ({"low": 1.5}, "store.low must be from 0 to less than 1, got 1.5"),
        ({"low": 0.95}, "store.low must be less than store.share = 0.9, got 0.95"),
        ({"share": 0}, "store.share must be greater than 0 and at most 1, got 0"),
        ({"count": 0}, "store.count must be a whole number, 1 or more, got 0"),
        ({"count": 2.5}, "store.count must be a whole number, 1 or more, got 2.5"),
        ({"limit": 9}, "store.limit must be a whole number from 1 to 8 or null, got 9"),
        ({"stamps": "middle"}, "store.stamps must be one of start, end, got 'middle'"),
        ({"whole": 1}, "store.whole must be true or false, got 1"),
        ({"name": 3}, "store.name must be text or null, got 3"),
        ({"hidden": [1.5]}, "store.hidden must be a list, each item a whole number, got [1.5]"),
        ({"cuts": ["a"]}, "store.cuts must be a list, each item a number, got ('a',)"),
        ({"lead_h": 1}, "store.lead_h must be a mapping, got 1"),
        ({"lead_h": {"a": "b"}}, "store.lead_h.a must be a number, got 'b'"),
        ({"tags": {"a b": "c"}}, "store.tags: a name must be letters, got 'a b'"),
        ({"tags": {"a": "b c"}}, "store.tags.a must be letters, got 'b c'"),
        ({"region": "mars"}, "store.region must be a region such as eu-west-1 or null, got 'mars'"),
        ({"shares": []}, "store.shares must be a list of at least 1, each item from 0 to 1, got []"),
        ({"shares": [0.1, 2]}, "store.shares must be a list of at least 1, each item from 0 to 1, got [0.1, 2]"),
        ({"powers": [1]}, "store.powers must be a list of 2, each item 0 or more MW, got [1]"),
        ({"parts": {}}, "store.parts must be a mapping of at least 1, got {}"),
        ({"parts": {"a": 1}}, "store.parts.a must be a Unit, got 1"),
        ({"even": 3}, "store.even must be an even number, got 3"),
        ({"shere": 1}, "store.shere is not an option of Store, which has "),
        ({"shere": 1}, "did you mean store.share?"),
    ],
)
def test_an_error_names_the_field_the_rule_and_the_value(values, message):
    with pytest.raises(ConfigError) as caught:
        Store(**values)
    assert message in str(caught.value)


def test_a_missing_value_is_named():
    with pytest.raises(ConfigError, match="store.size is missing: LargeStore needs it"):
        LargeStore()


def test_a_whole_float_is_a_whole_number_and_a_list_becomes_a_tuple():
    store = Store(count=2e6, cuts=[0.25, 1])
    assert store.count == 2_000_000
    assert isinstance(store.count, int)
    assert store.cuts == (0.25, 1.0)


def test_a_place_in_a_configuration_is_put_before_the_field():
    with at("env.baselines.custom"), pytest.raises(ConfigError, match="env.baselines.custom.share must be"):
        Store(share=2.0)


def test_options_are_frozen_and_can_be_pickled():
    store = LargeStore(size=3)
    assert pickle.loads(pickle.dumps(store)) == store
    with pytest.raises(FrozenInstanceError):
        store.size = 4


@options("budget")
class Budget:
    steps: Annotated[Int, Field(ge=1), Highest(MOST_STEPS), Unit("steps")]
    price: Annotated[float, Field(ge=0), Highest(100)] | None
    sizes: Annotated[Sequence[Annotated[Int, Field(ge=1)]], Field(min_length=1, max_length=3)]


BUDGET = {"steps": 1, "price": 100.0, "sizes": [1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 1e99}, "budget.steps must be at most 1,000,000,000,000 steps, got 1e+99"),
        ({"steps": 10**30}, f"budget.steps must be at most 1,000,000,000,000 steps, got {10**30}"),
        ({"steps": 0}, "budget.steps must be a whole number, 1 or more steps, got 0"),
        ({"steps": "x"}, "budget.steps must be a whole number, 1 or more steps, got 'x'"),
        ({"price": 101}, "budget.price must be at most 100, got 101"),
        ({"price": -1.0}, "budget.price must be 0 or more or null, got -1.0"),
        (
            {"sizes": [1] * 4},
            "budget.sizes must be a list of 1 to 3, each item a whole number, 1 or more, got [1, 1, 1, 1]",
        ),
    ],
)
def test_a_bound_beyond_use_is_named_only_where_it_is_exceeded(change, message):
    Budget(**BUDGET)
    with pytest.raises(ConfigError) as error:
        Budget(**(BUDGET | change))
    assert str(error.value) == message
