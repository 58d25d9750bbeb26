"""Refused memory: buffers, batches, networks and slices beyond this machine are named before they are made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from battery_lab.common.errors import ConfigError
from tests.algos.small_bid_curves import make_learner
from tests.algos.training_setup import setup_for
from tests.compositions import option, part


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("dqn", {"replay": {"capacity": 10_000_000_000}}, "algo.replay.capacity"),
        ("sac", {"replay": {"capacity": 10_000_000_000}}, "algo.replay.capacity"),
        ("ppo", {"fragment": 10_000_000, "num_envs": 65536}, "algo.fragment"),
    ],
)
def test_a_buffer_or_batch_beyond_the_memory_is_refused(algos, choices, worlds, name, changes, field):
    algo = algos[name]
    values = {key: replace(algo.replay, **value) if key == "replay" else value for key, value in changes.items()}
    with pytest.raises(ConfigError, match=rf"{field} must need at most the memory of this machine, .* choose less"):
        replace(algo, **values).config(setup_for(worlds("discrete"), part(choices["mlp"], "network")))


def test_a_network_beyond_the_memory_is_refused(worlds):
    sizes = ",".join(["8192"] * 100)
    with pytest.raises(ConfigError, match=r"network.hidden must need at most .* a network of 6,6.* weights, with .*"):
        option("network", "mlp", [f"network.hidden=[{sizes}]"]).encoder(worlds("discrete").layout)


def test_a_convolution_beyond_the_memory_is_refused(worlds):
    overrides = ["network.channels=[8192,8192]", "network.kernel=[100,100]", "network.stride=[1,1]"]
    with pytest.raises(ConfigError, match=r"network.hidden must need at most the memory"):
        option("network", "window_conv", overrides).encoder(worlds("discrete", "window_conv").layout)


def test_slices_beyond_the_memory_are_refused(known, monkeypatch):
    monkeypatch.setattr("battery_lab.common.memory_limit.machine_bytes", lambda: 100_000)
    with pytest.raises(ConfigError, match=r"algo.levels must need at most .* a slice of \d+ intervals for each of"):
        make_learner(known, levels=100)


@pytest.mark.parametrize("choice", [f"network.hidden=[{','.join(['1'] * 101)}]", "network.hidden=[8193]"])
def test_a_network_of_too_many_or_too_wide_layers_is_refused(choice):
    with pytest.raises(
        ConfigError, match=r"network.hidden must be a list of 1 to 100, each item a whole number from 1 to"
    ):
        option("network", "mlp", [choice])
