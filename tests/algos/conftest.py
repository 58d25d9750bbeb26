"""Algorithms, networks and worlds that the tests share, because composing one takes half a second."""

from __future__ import annotations

import functools
import re

import pytest
from hydra.utils import get_class

from battery_lab.algos.rllib_options import RLlibOptions
from battery_lab.config.conf_folder import conf_dir
from tests.algos.small_bid_curves import BATTERY
from tests.compositions import options, part, small
from tests.envs.small_world import make_option

CHOICES = {
    "mlp": (),
    "shared": ("network.shared_value=true",),
    "window_conv": ("observation=window", "network=window_conv", "network.hidden=[16]"),
}


def class_of(algo):
    """Return the class of an algorithm without composing it."""
    return get_class(re.search(r"_target_: (\S+)", (conf_dir() / "algo" / f"{algo}.yaml").read_text())[1])


RLLIB = [algo for algo in options("algo") if issubclass(class_of(algo), RLlibOptions)]


@pytest.fixture(scope="session")
def algos(tmp_path_factory):
    """Small algorithms by name."""
    folder = tmp_path_factory.mktemp("algos")
    return {name: part(small(folder, name), "algo") for name in options("algo")}


@pytest.fixture(scope="session")
def choices(tmp_path_factory):
    """Trials by network: the composed configurations of ``CHOICES``."""
    folder = tmp_path_factory.mktemp("choices")
    return {name: small(folder, "ppo", *overrides) for name, overrides in CHOICES.items()}


@pytest.fixture(scope="session")
def worlds(tmp_path_factory, choices):
    """Return a function that opens a world for a kind of actions, a network and a value of env.actions, once each."""
    folder = tmp_path_factory.mktemp("worlds")

    @functools.cache
    def world(actions, network="mlp", env_actions="auto"):
        env = make_option(folder, observation=part(choices[network], "observation"), actions=env_actions)
        return env.open(actions)

    return world


@pytest.fixture(scope="session")
def known(tmp_path_factory):
    """A world whose price is known when the battery is dispatched."""
    return make_option(tmp_path_factory.mktemp("known"), battery=BATTERY).open("discrete")


@pytest.fixture(scope="session")
def bids(tmp_path_factory):
    """A world of bids."""
    return make_option(tmp_path_factory.mktemp("bids"), battery=BATTERY, actions="bids").open("continuous")
