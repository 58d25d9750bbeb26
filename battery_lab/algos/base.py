"""Algorithms: their interface, the options they share, and the common part of an RLlib configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

import gymnasium as gym
import torch
from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec
from torch import nn

from battery_lab.algos.rllib_encoder import NETWORK
from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.envs.layout import Layout
from battery_lab.networks.base import Network
from battery_lab.rllib.backends import Backend, Parts
from battery_lab.rllib.runners.checkpointed_runner import EnvPlaceholder
from battery_lab.rllib.runners.environment_log import EnvironmentLog


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The trial that an algorithm is configured for.

    Attributes:
        make_env: builds a vector environment from ``(num_envs, seed)``.
        layout: names and places of the numbers in an observation.
        action_space: action space of one environment.
        network: network of the policy and the value function.
        rollout: backend that moves data between environments, replay buffer and learner.
        seed: seed of the trial.
        env_steps: budget in environment steps; schedules span it.
    """

    make_env: Callable[[int, int], gym.vector.VectorEnv[Any, Any, Any]]
    layout: Layout
    action_space: gym.Space[Any]
    network: Network
    rollout: Backend
    seed: int
    env_steps: int


class Algo(Protocol):
    """An option of conf/algo."""

    @property
    def gamma(self) -> float:
        """Discount per dispatch interval."""

    @property
    def num_env_runners(self) -> int:
        """Number of env runners in separate processes; 0 samples in this process."""

    @property
    def action_kinds(self) -> Sequence[str]:
        """Kinds of actions that it can learn: ``discrete``, ``continuous`` or both."""

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy inside a module: its encoder, its head and its decision rule.

        The decision rule is ``argmax``, ``clipped_mean`` or ``tanh_mean`` (see policies/policy.py).
        """


@options("algo")
class AlgoOptions:
    """Options of every algorithm that RLlib trains.

    Attributes:
        gamma: discount per dispatch interval.
        fragment: steps per environment and sample.
        num_envs: environments per env runner.
        num_env_runners: env runners in separate processes; 0 samples in this process.
    """

    gamma: Annotated[float, Field(ge=0, le=1)]
    fragment: Annotated[Int, Field(ge=1), Unit("steps")]
    num_envs: Annotated[Int, Field(ge=1, le=65536), Unit("environments per env runner")]
    num_env_runners: Annotated[Int, Field(ge=0, le=1024), Unit("env runners (0 samples in this process)")]


@options("algo")
class LearnerOptions(AlgoOptions):
    """Options of every algorithm that can learn in several processes.

    Attributes:
        num_learners: learner processes, which share each gradient step; 0 learns in this process.
        gpus_per_learner: GPUs of each learner; 0 learns on the CPU, a fraction shares a GPU with other programs.
    """

    num_learners: Annotated[Int, Field(ge=0, le=64), Unit("learners (0 learns in this process)")]
    gpus_per_learner: Annotated[float, Field(ge=0, le=1), Unit("GPUs (0 learns on the CPU)")]

    def __post_init__(self) -> None:
        whole = self.num_learners < 2 or self.gpus_per_learner in (0, 1)
        rule = f"must be 0 or 1 with algo.num_learners={self.num_learners}: learners cannot share one GPU"
        require(whole, "algo.gpus_per_learner", rule, self.gpus_per_learner)


def check_gpus(num_learners: int, gpus_per_learner: float) -> None:
    """Check that this machine has the requested GPUs. A trial may be composed on a machine without any.

    Raises:
        ConfigError: the machine has fewer GPUs.
    """
    if gpus_per_learner == 0:
        return
    if not torch.cuda.is_available():
        raise ConfigError(
            f"algo.gpus_per_learner must be 0 where torch finds no CUDA device, as here, got {gpus_per_learner:g}: "
            "set it to 0, or train on a machine with a GPU, its driver and a CUDA build of torch"
        )
    available, needed = torch.cuda.device_count(), max(num_learners, 1) * gpus_per_learner
    if needed > available:
        raise ConfigError(
            f"algo.gpus_per_learner x algo.num_learners must be at most the {available} GPUs that torch finds here, "
            f"got {gpus_per_learner:g} x {num_learners}: choose fewer learners"
        )


def per_learner(field: str, total: int, num_learners: int) -> int:
    """Return the share of each learner in a total.

    Args:
        field: the option as the user writes it.
        total: sum over all learners.
        num_learners: number of learner processes; 0 means one learner in this process.

    Raises:
        ConfigError: ``total`` is not a multiple of the number of learners.
    """
    learners = max(num_learners, 1)
    require(total % learners == 0, field, f"must be a multiple of algo.num_learners, {learners}", total)
    return total // learners


def base_config(
    config: AlgorithmConfig,
    setup: Setup,
    algo: AlgoOptions,
    *,
    module: type[RLModule],
    catalog: type,
    model: dict[str, Any],
    iteration_steps: int,
    fragment: int | None = None,
    gradient_steps: float = 0,
) -> AlgorithmConfig:
    """Add the settings that all algorithms share to an RLlib configuration.

    Args:
        config: RLlib configuration with the algorithm's own settings.
        setup: the trial.
        algo: options of the algorithm.
        module: RLlib module class of the algorithm.
        catalog: RLlib catalog class that builds the module from the lab's network.
        model: additional entries of the model configuration.
        iteration_steps: minimum environment steps per iteration.
        fragment: steps per environment and sample. None: the algorithm's option.
        gradient_steps: number of gradient steps in the budget; decides whether compiling them pays off.

    Raises:
        ConfigError: this machine has fewer GPUs than requested.
    """
    parts = setup.rollout.parts(config.algo_class, gradient_steps)
    config.algo_class = parts.algorithm or config.algo_class
    model_config = asdict(DefaultModelConfig()) | {"head_fcnet_hiddens": [], NETWORK: (setup.network, setup.layout)}
    spec = RLModuleSpec(module_class=module, catalog_class=catalog, model_config=model_config | model)
    return (
        config.framework("torch")
        .environment(EnvPlaceholder, env_config={"make_env": setup.make_env, "seed": setup.seed})
        .env_runners(**_runner_settings(algo, parts, fragment or algo.fragment))
        .learners(**_learner_settings(algo, parts))
        .rl_module(rl_module_spec=spec)
        .callbacks(EnvironmentLog)
        # Iterations are measured in steps, not in time, so that runs are reproducible.
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=iteration_steps)
        .debugging(seed=setup.seed, log_level="ERROR")
    )


def _runner_settings(algo: AlgoOptions, parts: Parts, fragment: int) -> dict[str, Any]:
    return {
        "env_runner_cls": parts.runner,
        "num_env_runners": algo.num_env_runners,
        "num_envs_per_env_runner": algo.num_envs,
        "gym_env_vectorize_mode": "vector_entry_point",
        "rollout_fragment_length": fragment,
        # Wait for late runners: which samples are learned from must not depend on the machine's load.
        "sample_timeout_s": 3600,
    }


def _learner_settings(algo: AlgoOptions, parts: Parts) -> dict[str, Any]:
    num_learners = algo.num_learners if isinstance(algo, LearnerOptions) else 0
    gpus_per_learner = algo.gpus_per_learner if isinstance(algo, LearnerOptions) else 0
    check_gpus(num_learners, gpus_per_learner)
    settings = {
        "num_learners": num_learners,
        "num_gpus_per_learner": gpus_per_learner,
        "learner_config_dict": dict(parts.options),
    }
    return settings | ({"learner_class": parts.learner} if parts.learner else {})


def linear_schedule(first: float, last: float, steps: int) -> list[list[float]] | float:
    """Return an RLlib schedule that is linear from ``first`` to ``last`` over ``steps``, or a constant."""
    return first if first == last else [[0, first], [steps, last]]


def only_linear(head: nn.Module) -> nn.Linear:
    """Return the only linear layer of a head."""
    layers = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    if len(layers) != 1:
        raise TypeError(f"the head must have exactly one linear layer, got {head}")
    return layers[0]


def mean_head(head: nn.Linear) -> nn.Linear:
    """Return the half of a Gaussian head that outputs the means; the other half outputs the log standard deviations."""
    means = nn.Linear(head.in_features, head.out_features // 2)
    means.weight.data, means.bias.data = head.weight.data[: means.out_features], head.bias.data[: means.out_features]
    return means
