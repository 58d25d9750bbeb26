"""Options of algorithms on RLlib: learners, GPUs and batch sizes in RLlib's configuration, and rejected values."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from battery_lab.algos.rllib_options import RLlibOptions
from battery_lab.common.errors import ConfigError
from tests.algos.training_setup import setup_for
from tests.compositions import option, part, small


@pytest.fixture
def configured(algos, choices, worlds):
    """Return a function that changes options of an algorithm and returns its RLlib configuration."""
    setup = setup_for(worlds("discrete"), part(choices["mlp"], "network"))

    def configure(name, **options):
        config = replace(algos[name], **options).config(setup)
        config.validate()
        return config

    return configure


def gpus(monkeypatch, number):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)


@pytest.mark.parametrize("name", ["ppo", "dqn", "sac"])
def test_default_is_one_local_learner_on_the_cpu(configured, name):
    config = configured(name)
    assert (config.num_learners, config.num_gpus_per_learner) == (0, 0)


@pytest.mark.parametrize("learners", [0, 1, 2, 4])
def test_batch_sizes_do_not_depend_on_the_number_of_learners(configured, learners):
    ppo, each = configured("ppo", num_learners=learners), max(learners, 1)
    assert ppo.num_learners == learners
    assert ppo.total_train_batch_size == 8 * 64
    assert ppo.minibatch_size * each == 256
    assert ppo.min_sample_timesteps_per_iteration == 8 * 64
    for name in ("dqn", "sac"):
        config = configured(name, num_learners=learners)
        assert config.num_learners == learners
        assert config.total_train_batch_size == config.train_batch_size_per_learner * each == 64


def test_batch_grows_with_the_number_of_runners(configured):
    config = configured("ppo", num_env_runners=3, num_learners=2, minibatch=512)
    assert config.total_train_batch_size == 3 * 8 * 64
    assert config.minibatch_size == 256


@pytest.mark.parametrize(
    ("env_steps", "fragment", "minibatch"),
    [
        (2_000_000, 128, 2048),
        (60 * 128 * 256, 128, 2048),
        (60 * 128 * 256 - 1, 127, 2032),
        (500_000, 32, 512),
        (131_072, 8, 128),
        (100, 1, 16),
    ],
)
def test_short_budgets_have_as_many_batches_and_gradient_steps_per_batch(env_steps, fragment, minibatch):
    ppo = replace(option("algo", "ppo"), num_envs=256, fragment=128, minibatch=2048, min_batches=60)
    sizes = ppo.batch_sizes(env_steps)
    assert sizes == (fragment, fragment * 256, minibatch)
    assert env_steps // sizes.batch >= 60 or fragment == 1


def test_without_a_fewest_number_batches_are_full():
    assert replace(option("algo", "ppo"), min_batches=0).batch_sizes(20_000) == (128, 128 * 256, 2048)


@pytest.mark.parametrize(("learners", "runners", "fragment"), [(3, 0, 6), (4, 2, 2), (2, 4, 1)])
def test_short_batches_are_divided_equally_among_learners(learners, runners, fragment):
    ppo = replace(
        option("algo", "ppo"),
        num_learners=learners,
        num_env_runners=runners,
        fragment=96,
        minibatch=768,
        num_envs=8,
        min_batches=60,
    )
    sizes = ppo.batch_sizes(60 * 8 * max(runners, 1) * fragment + 5)
    assert sizes.fragment == fragment
    assert sizes.fragment * max(runners, 1) % learners == 0 == sizes.minibatch % learners
    assert sizes.batch == fragment * 8 * max(runners, 1)


def test_rllib_gets_the_batch_sizes_of_the_budget(configured):
    config = configured("ppo", min_batches=50)  # of a budget of 10,000 steps
    assert config.rollout_fragment_length == 25
    assert config.total_train_batch_size == config.min_sample_timesteps_per_iteration == 8 * 25
    assert config.minibatch_size == 100


@pytest.mark.parametrize("name", ["ppo", "dqn", "sac"])
@pytest.mark.parametrize(("learners", "each"), [(0, 1), (1, 0.25), (2, 1)])
def test_gpus_are_passed_to_rllib(configured, monkeypatch, name, learners, each):
    gpus(monkeypatch, 2)
    config = configured(name, num_learners=learners, gpus_per_learner=each)
    assert (config.num_learners, config.num_gpus_per_learner) == (learners, each)


def test_gpu_option_composes_anywhere_but_needs_a_gpu_to_train(configured, tmp_path, monkeypatch):
    gpus(monkeypatch, 0)
    assert part(small(tmp_path, "sac", "algo.gpus_per_learner=1"), "algo").gpus_per_learner == 1
    with pytest.raises(
        ConfigError, match=r"algo\.gpus_per_learner must be 0 where torch finds no CUDA device.*got 1: set it to 0, or"
    ):
        configured("sac", gpus_per_learner=1)


def test_more_gpus_than_available_are_rejected(configured, monkeypatch):
    gpus(monkeypatch, 2)
    with pytest.raises(
        ConfigError, match=r"gpus_per_learner x algo\.num_learners must be at most the 2 GPUs.*got 1 x 4: choose fewer"
    ):
        configured("ppo", gpus_per_learner=1, num_learners=4)


@pytest.mark.parametrize(
    ("algo", "options", "named"),
    [
        *(
            (name, {"num_learners": -1}, r"algo\.num_learners must be a whole number .*, got -1")
            for name in ("ppo", "dqn", "sac")
        ),
        ("ppo", {"num_learners": 65}, r"algo\.num_learners must be a whole number from 0 to 64 learners .*, got 65"),
        ("ppo", {"num_learners": 1.5}, r"algo\.num_learners must be a whole number .*, got 1\.5"),
        *((name, {"gpus_per_learner": -1}, r"algo\.gpus_per_learner must be from 0") for name in ("ppo", "dqn", "sac")),
        ("dqn", {"gpus_per_learner": 2}, r"algo\.gpus_per_learner must be from 0 to 1 GPUs .*, got 2"),
        ("sac", {"gpus_per_learner": 0.5, "num_learners": 2}, r"algo\.gpus_per_learner must be 0 or 1 with .*got 0\.5"),
        (
            "ppo",
            {"num_learners": 3, "fragment": 66},
            r"algo\.minibatch must be a multiple of algo.num_learners, 3, got",
        ),
        ("ppo", {"num_learners": 4, "fragment": 62}, r"algo\.fragment x env runners must be a multiple of .*4, got 62"),
        ("dqn", {"num_learners": 3}, r"algo\.batch must be a multiple of algo\.num_learners, 3, got 64"),
        ("sac", {"num_learners": 5}, r"algo\.batch must be a multiple of algo\.num_learners, 5, got 64"),
    ],
)
def test_invalid_learner_options_are_rejected(algos, algo, options, named):
    with pytest.raises(ConfigError, match=named):
        replace(algos[algo], **options)


def test_an_environment_that_cannot_be_trained_on_is_refused_before_ray_starts(algos, choices, worlds, monkeypatch):
    def refuse(num_envs, seed):
        raise ConfigError("the environment must implement take_log")

    monkeypatch.setattr(
        "battery_lab.algos.rllib_algorithm_adapter.start_ray_for", lambda config: pytest.fail("Ray started")
    )
    setup = replace(setup_for(worlds("discrete"), part(choices["mlp"], "network")), make_env=refuse)
    with pytest.raises(ConfigError, match="must implement take_log"):
        algos["ppo"].learner(setup)


def test_an_algorithm_on_rllib_must_say_where_its_policy_is(algos):
    class Unfinished(type(algos["ppo"])):
        actor = RLlibOptions.actor

    with pytest.raises(TypeError, match="abstract method actor"):
        Unfinished(**{field.name: getattr(algos["ppo"], field.name) for field in fields(algos["ppo"])})
