"""Shortcuts at RLlib's start: they have the results of the calls that they replace."""

from __future__ import annotations

import inspect
import json
import random
import subprocess
import sys
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import ray
import torch
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.connectors import connector_v2
from ray.rllib.connectors.common.add_states_from_episodes_to_batch import AddStatesFromEpisodesToBatch
from ray.rllib.env import env_runner_group
from ray.rllib.utils.debug import deterministic, update_global_seed_if_necessary
from ray.rllib.utils.torch_utils import set_torch_seed

from battery_lab.rllib import ray_runtime
from battery_lab.rllib.ppo_algorithm import ArrayPPO
from battery_lab.rllib.startup_shortcuts import shorten_startup
from tests.cli.typed_commands import tiny


@pytest.fixture
def rllib(monkeypatch):
    """RLlib without the shortcuts, until a test installs them."""
    monkeypatch.setattr(connector_v2, "inspect", inspect)
    monkeypatch.setattr(env_runner_group, "ray", ray)
    monkeypatch.setattr(deterministic, "set_torch_seed", set_torch_seed)


def test_shortcuts_are_for_this_version_of_rllib():
    assert ray.__version__ == "2.60.0", "compare its names with startup_shortcuts"


def test_connectors_remember_the_same_constructor_arguments(rllib):
    def arguments():
        return AddStatesFromEpisodesToBatch(
            gym.spaces.Discrete(2), as_learner_connector=True
        ).get_ctor_args_and_kwargs()

    expected = arguments()
    shorten_startup()
    assert arguments() == expected
    assert expected[1]["as_learner_connector"] is True


def test_random_numbers_and_determinism_are_the_same(rllib):
    def seeded():
        torch.use_deterministic_algorithms(False)
        update_global_seed_if_necessary("torch", 3)
        return random.random(), np.random.rand(), float(torch.rand(())), torch.are_deterministic_algorithms_enabled()

    try:
        expected = seeded()
        shorten_startup()
        assert seeded() == expected
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("needs", "starts"),
    [
        ({}, []),
        ({"num_learners": 1}, [1]),
        ({"num_env_runners": 2}, [2]),
        ({"num_gpus_per_learner": 0.5}, [0]),  # RLlib finds GPUs through Ray.
        ({"algo_class": PPO}, [0]),
    ],
)
def test_ray_is_started_only_where_it_is_needed(needs, starts, monkeypatch):
    started = []
    monkeypatch.setattr(ray_runtime, "start_ray", started.append)
    local = {"algo_class": ArrayPPO, "num_learners": 0, "num_env_runners": 0, "num_gpus_per_learner": 0}
    ray_runtime.start_ray_for(SimpleNamespace(**local | needs))
    assert started == starts


def test_optimizers_do_the_same_without_the_compiler():
    def trained():
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.ones(4, 3)).square().sum().backward()
            optimizer.step()
        other = torch.optim.Adam(layer.parameters(), lr=0.1)
        other.load_state_dict(optimizer.state_dict())
        return [value.clone() for value in (*layer.parameters(), *other.state_dict()["state"][0].values())]

    assert torch.__version__.startswith("2.13."), "compare torch._compile with startup_shortcuts"
    wrapped = [method for method in vars(torch.optim.Optimizer).values() if is_wrapped(method)]
    assert {method.__name__ for method in wrapped} == {"state_dict", "load_state_dict", "zero_grad", "add_param_group"}
    with pytest.MonkeyPatch.context() as patch:
        for method in wrapped:
            # torch's own way, which imports the compiler.
            patch.setattr(
                method.__wrapped__, "__dynamo_disable", torch._dynamo.disable(method.__wrapped__), raising=False
            )
        expected = trained()
        for method in wrapped:
            patch.delattr(method.__wrapped__, "__dynamo_disable")
        # Importing it again would leave another, incomplete one in torch for later tests.
        patch.setattr(torch, "_dynamo", torch._dynamo)
        patch.delitem(sys.modules, "torch._dynamo")
        shorten_startup()
        assert all(getattr(method.__wrapped__, "__dynamo_disable") is method.__wrapped__ for method in wrapped)  # noqa: B009
        assert all(map(torch.equal, trained(), expected))


def is_wrapped(method):
    return getattr(getattr(method, "__code__", None), "co_qualname", "") == "_disable_dynamo.<locals>.inner"


def test_without_ray_env_runner_groups_keep_their_configuration(rllib, monkeypatch):
    shorten_startup()
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    value = object()
    assert env_runner_group.ray.put(value) is value
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "put", lambda value: ("stored", value))
    assert env_runner_group.ray.put(value) == ("stored", value)


@pytest.mark.walk
@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_trial_in_one_process_starts_no_ray_and_imports_no_compiler(algo, tmp_path):
    chosen = [*tiny(tmp_path, algo), f"algo={algo}", "hydra.run.dir=run"]
    code = (
        "import sys; from battery_lab.cli.main import main\n"
        f"for arguments in ({chosen}, ['resume=run', 'train.env_steps=2048']):\n"
        "    sys.argv = ['battery_lab', *arguments]; main()\n"
        "import ray; from ray._private.auto_init_hook import enable_auto_connect as connects\n"
        "print(ray.is_initialized(), connects, *({'torch._dynamo', 'torch._inductor'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    assert output.stdout.splitlines()[-1] == "False False"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["train/env_steps"] >= 2048
