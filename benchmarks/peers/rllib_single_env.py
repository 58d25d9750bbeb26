"""Stock RLlib on single gymnasium environments, set up as in its tutorials, without the lab's extensions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from battery_lab.envs.battery.single_env import BatteryEnv
from battery_lab.rllib.ray_runtime import start_ray
from benchmarks.workload import HIDDEN, Workload


def ppo(workload: Workload) -> Any:
    """Build PPO; RLlib steps the environments in sequence."""
    world, options = workload.source.open(), workload.options
    seeds = iter(range(workload.seed, workload.seed + 65536))

    def make(env_config: dict[str, Any]) -> gym.Env[Any, Any]:
        # One market for all environments; otherwise the start would take minutes.
        return BatteryEnv(world.vector_env(1, next(seeds), staggered=False))  # type: ignore[call-arg, arg-type]

    register_env("battery", make)
    start_ray(workload.runners)
    config = (
        PPOConfig()
        .environment("battery")
        .env_runners(
            num_env_runners=workload.runners,
            num_envs_per_env_runner=workload.num_envs,
            rollout_fragment_length=workload.fragment,
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
            train_batch_size_per_learner=workload.fragment * workload.num_envs,
            minibatch_size=options["minibatch"],
            num_epochs=options["epochs"],
        )
        .debugging(seed=workload.seed, log_level="ERROR")
    )
    return config.build_algo()
