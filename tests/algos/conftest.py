"""Algorithms, networks and worlds that the tests share, because composing one takes half a second."""

from __future__ import annotations

import functools

import pytest

from tests.compositions import options, part, small
from tests.envs.small_world import make_world

CHOICES = {
    "mlp": (),
    "shared": ("network.shared_value=true",),
    "window_conv": ("observation=window", "network=window_conv", "network.hidden=[16]"),
}


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
    """Return a function that opens a world for a kind of actions and a network, once each."""
    folder = tmp_path_factory.mktemp("worlds")

    @functools.cache
    def world(actions, network="mlp"):
        return make_world(folder, actions, observation=part(choices[network], "observation"))

    return world
