"""Values as overrides that Hydra reads back, also through a shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from battery_lab.config.compose import compose
from battery_lab.config.override_kinds import yaml_value
from battery_lab.config.override_text import override, shell_command

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))
PATHS = (
    "my prices/",
    "a,b.csv",
    "x=1/[2024]/#3.csv",
    "prices/*.csv",
    "it's/",
    "back\\slash",
    "ends\\",
    "\\'",
    "${x}",
    "null",
    "1e3",
    "true",
    "a: b",
    "a${b}",
    "a\\${b}",
    "",
)


def read_back(argument: str) -> object:
    """Return the value of an override as a trial has it."""
    config = OmegaConf.create({"key": yaml_value(argument)})
    return OmegaConf.to_container(config, resolve=True)["key"]


@pytest.mark.parametrize("text", PATHS)
def test_awkward_paths_survive_the_shell_and_hydra(text):
    (argument,) = shlex.split(shell_command([override("key", text)]))
    assert read_back(argument) == text


@given(TEXTS.filter(lambda text: text != "???"))
@example("choice(a,b)")
@example("'quoted'\\")
def test_any_text_survives(text):
    assert read_back(override("key", text)) == text


@pytest.mark.parametrize(
    "value", [None, True, 3, 2.5, [-1000.0, 2e4], {"pnode (name)": "WESTERN HUB", "demand_mw": "a,b"}]
)
def test_other_values_survive(value):
    assert read_back(override("key", value)) == value


def test_simple_values_need_no_quotes():
    command = shell_command(["battery-lab", override("market.path", "prices/"), override("market.region", "VIC1")])
    assert command == "battery-lab market.path=prices/ market.region=VIC1"


def test_a_composed_trial_has_the_path_as_it_is():
    path = "my prices, [2024] #1/x=y"
    assert compose(["market=aemo", override("market.path", path)]).market.path == path
