"""Build: objects from composed YAML, and errors that name the place in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Annotated, Any, Protocol

import pytest
from omegaconf import OmegaConf
from pydantic import Field

from battery_lab.common.errors import ConfigError
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.config.build import build_part

HERE = __name__


class Anything(Protocol):
    def act(self) -> int: ...


@options("wheel")
class Wheel:
    radius_m: Annotated[float, Field(gt=0), Unit("m")]
    spokes: Annotated[Int, Field(ge=3)]


@dataclass(frozen=True, kw_only=True)
class Cart:
    """A class of a user, which does not check its values itself."""

    wheels: dict[str, Any]
    load: Anything | None
    seats: int
    speed: float | None
    names: tuple[str, ...]
    made: list[str] = field(init=False, default_factory=list)


WHEEL = {"_target_": f"{HERE}.Wheel", "radius_m": 0.5, "spokes": 8}
CART = {
    "_target_": f"{HERE}.Cart",
    "wheels": {"front": "${wheel}", "rear": WHEEL | {"spokes": 9}},
    "load": None,
    "seats": 2,
    "speed": 3,
    "names": ["a"],
}


def cart(**changes: Any) -> Any:
    return OmegaConf.create({"wheel": WHEEL, "cart": CART | changes})


def test_children_are_built_first_and_references_are_followed():
    built = build_part(cart(), "cart")
    assert isinstance(built, Cart)
    assert (built.wheels["front"].spokes, built.wheels["rear"].spokes) == (8, 9)


def test_whole_numbers_may_be_written_as_floats():
    built = build_part(cart(seats=2e3, wheels={"only": WHEEL | {"spokes": 1e1}}), "cart")
    assert (type(built.seats), type(built.wheels["only"].spokes)) == (int, int)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"wheels": {"rear": WHEEL | {"spokes": 2}}},
            "cart.wheels.rear.spokes must be a whole number, 3 or more",
        ),
        ({"wheels": {"rear": [WHEEL | {"radius_m": 0}]}}, r"cart.wheels.rear\[0\].radius_m must be greater than 0 m"),
        (
            {"wheels": {"rear": {"_target_": f"{HERE}.Wheel", "spokes": 3}}},
            "cart.wheels.rear.radius_m is missing",
        ),
        ({"seats": "two"}, "cart.seats must be a whole number, got 'two'"),
        ({"seats": 2.5}, "cart.seats must be a whole number, got 2.5"),
        ({"speed": "fast"}, "cart.speed must be a number or null, got 'fast'"),
        ({"names": [1]}, r"cart.names must be a list, each item text, got \[1\]"),
        ({"seat": 2}, "cart.seat is not an option of Cart, which has .*; did you mean cart.seats"),
        ({"_target_": f"{HERE}.nothing"}, "cart._target_=.*nothing cannot be imported: .*PYTHONPATH"),
        ({"_target_": f"{HERE}.cart"}, "cart._target_=.*cart must name a dataclass"),
    ],
)
def test_an_error_names_its_place(changes, message):
    with pytest.raises(ConfigError, match=message):
        build_part(cart(**changes), "cart")


def test_an_error_below_a_reference_names_what_it_refers_to():
    config = cart()
    config.wheel.spokes = 1
    with pytest.raises(ConfigError, match="^wheel.spokes must be a whole number, 3 or more, got 1$"):
        build_part(config, "cart")


def test_a_key_that_is_missing_is_named():
    config = cart()
    del config.cart["speed"]
    with pytest.raises(ConfigError, match="^cart.speed is missing: Cart needs it, so set it in the YAML of cart$"):
        build_part(config, "cart")


def test_a_misspelt_key_is_named_rather_than_the_missing_one():
    config = cart()
    config.wheel.spoke = config.wheel.pop("spokes")
    with pytest.raises(ConfigError, match="wheel.spoke is not an option of Wheel, .*; did you mean wheel.spokes"):
        build_part(config, "wheel")


def test_types_that_exist_for_type_checkers_only_are_not_checked(monkeypatch):
    module = ModuleType("for_checkers")
    monkeypatch.setitem(sys.modules, "for_checkers", module)
    exec(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Box:\n    size: int\n    owner: Person\n",
        module.__dict__,
    )
    node = {"_target_": "for_checkers.Box", "size": 1, "owner": "me"}
    assert build_part(OmegaConf.create({"box": node}), "box").owner == "me"
    with pytest.raises(ConfigError, match="box.size must be a whole number"):
        build_part(OmegaConf.create({"box": node | {"size": "x"}}), "box")
