"""Stock RLlib on a single gymnasium environment, set up as its tutorials do; none of the lab's extensions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from battery_lab.envs.battery.single_env import BatteryEnv
from battery_lab.rllib.ray_runtime import start_ray
from benchmarks.workload import HIDDEN, Workload


def ppo(work: Workload) -> Any:
    """Build PPO; RLlib steps the environments one after the other."""
    world, options = work.source.open(), work.options
    seeds = iter(range(work.seed, work.seed + 65536))

    def make(env_config: dict[str, Any]) -> gym.Env[Any, Any]:
        # One market for all of them, or the start would take minutes.
        return BatteryEnv(world.vector_env(1, next(seeds), staggered=False))  # type: ignore[call-arg, arg-type]

    register_env("battery", make)
    start_ray(work.runners)
    config = (
        PPOConfig()
        .environment("battery")
        .env_runners(
            num_env_runners=work.runners,
            num_envs_per_env_runner=work.num_envs,
            rollout_fragment_length=work.fragment,
        )
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=list(HIDDEN), fcnet_activation="relu", head_fcnet_hiddens=[], vf_share_layers=True
            )
        )
        .training(
            gamma=options["gamma"],
            lambda_=options["gae_lambda"],
            lr=options["lr"],
            entropy_coeff=options["entropy_coeff"],
            clip_param=options["clip"],
            vf_clip_param=options["value_clip"],
            vf_loss_coeff=options["value_coeff"],
            grad_clip=options["grad_clip"],
            use_kl_loss=False,
            train_batch_size_per_learner=work.fragment * work.num_envs,
            minibatch_size=options["minibatch"],
            num_epochs=options["epochs"],
        )
        .debugging(seed=work.seed, log_level="ERROR")
    )
    return config.build_algo()
