"""Small configurations of RLlib algorithms, with the classes of either rollout backend."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from battery_lab.rllib.ray_runtime import start_ray
from battery_lab.rllib.rollout_backends import ArrayBackend, StockBackend
from battery_lab.rllib.runners.checkpointed_runner import EnvPlaceholder


def cart_poles(num_envs: int, seed: int) -> gym.vector.VectorEnv:
    """Make a vectorized CartPole."""
    return gym.make_vec("CartPole-v1", num_envs=num_envs, vectorization_mode="vector_entry_point")


def array_backend() -> ArrayBackend:
    """Return the array backend without compilation."""
    return ArrayBackend(compile=False, compile_after=0, compile_after_off_policy=0, cache="")


def configured(
    config: AlgorithmConfig, make_env: Any = cart_poles, array: bool = True, **runners: Any
) -> AlgorithmConfig:
    """Return a small configuration with the classes of the array or the stock backend."""
    start_ray(0)
    backend = array_backend() if array else StockBackend()
    parts = backend.parts(config.algo_class, gradient_steps=0)
    config.algo_class = parts.algorithm or config.algo_class
    settings = {
        "num_env_runners": 0,
        "num_envs_per_env_runner": 4,
        "rollout_fragment_length": 32,
        "sample_timeout_s": 600,
    } | runners
    return (
        config.environment(EnvPlaceholder, env_config={"make_env": make_env, "seed": 0})
        .env_runners(env_runner_cls=parts.runner, gym_env_vectorize_mode="vector_entry_point", **settings)
        .learners(num_learners=0, **({"learner_class": parts.learner} if parts.learner else {}))
        .rl_module(model_config={"fcnet_hiddens": [16, 16]} | config._model_config)
        .debugging(seed=0, log_level="ERROR")
    )
