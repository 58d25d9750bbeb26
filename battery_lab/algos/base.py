"""What the lab asks of an algorithm, and the parts of an RLlib configuration that all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import gymnasium as gym
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec
from torch import nn

from battery_lab.algos.rllib_encoder import NETWORK
from battery_lab.common.errors import ConfigError, require
from battery_lab.envs.layout import Layout
from battery_lab.networks.base import Network
from battery_lab.rllib.backends import Rollout
from battery_lab.rllib.runners.checkpointed_runner import RunnerMakesIt
from battery_lab.rllib.runners.environment_log import LogEnvironment


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an algorithm is set up for.

    Attributes:
        make_env: (num_envs, seed) to a vector environment.
        layout: what stands where in an observation.
        action_space: of one environment.
        network: the network of the policy and of values.
        rollout: how data move between environment, replay memory and learner.
        seed: of the trial.
        env_steps: the budget of environment steps, which schedules run over.
    """

    make_env: Callable[[int, int], gym.vector.VectorEnv[Any, Any, Any]]
    layout: Layout
    action_space: gym.Space[Any]
    network: Network
    rollout: Rollout
    seed: int
    env_steps: int


class Algo(Protocol):
    """A choice of conf/algo.

    Attributes:
        gamma: discount an interval.
        num_env_runners: remote runners; 0 samples in this process.
        action_kinds: what actions it can learn, of ``discrete`` and ``continuous``.
    """

    @property
    def gamma(self) -> float:
        """Discount an interval."""

    @property
    def num_env_runners(self) -> int:
        """Remote runners; 0 samples in this process."""

    @property
    def action_kinds(self) -> Sequence[str]:
        """What actions it can learn."""

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the encoder, the head and the decision of the policy inside a module of this algorithm."""


def check_common(
    *, gamma: float, num_envs: int, num_env_runners: int, num_learners: int = 0, gpus_per_learner: float = 0
) -> None:
    """Check the options that every algorithm has, and those of learners, where it has them."""
    require(0 <= gamma <= 1, "algo.gamma", "must be a discount from 0 to 1", gamma)
    require(1 <= num_envs <= 65536, "algo.num_envs", "must be 1 to 65536 environments a runner", num_envs)
    rule = "must be 0 (sample in this process) or more runners"
    require(0 <= num_env_runners <= 1024, "algo.num_env_runners", rule, num_env_runners)
    rule = "must be 0 (learn in this process) to 64 learners"
    require(num_learners in range(65), "algo.num_learners", rule, num_learners)
    rule = "must be from 0 (learn on the CPU) to 1 GPU, of which a learner uses no more"
    require(0 <= gpus_per_learner <= 1, "algo.gpus_per_learner", rule, gpus_per_learner)
    whole = num_learners < 2 or gpus_per_learner in (0, 1)
    rule = f"must be 0 or 1 with algo.num_learners={num_learners}: learners on one GPU cannot share their gradients"
    require(whole, "algo.gpus_per_learner", rule, gpus_per_learner)


def check_gpus(num_learners: int, gpus_per_learner: float) -> None:
    """Check that this machine has the GPUs asked for; a choice may be composed on one that has none.

    Raises:
        ConfigError: it has not.
    """
    if gpus_per_learner == 0:
        return
    if not torch.cuda.is_available():
        raise ConfigError(
            f"algo.gpus_per_learner must be 0 where torch finds no CUDA device, as here, got {gpus_per_learner!r}: "
            "set it to 0, or train on a machine with a GPU, its driver and a CUDA build of torch"
        )
    found, needed = torch.cuda.device_count(), max(num_learners, 1) * gpus_per_learner
    if needed > found:
        raise ConfigError(
            f"algo.gpus_per_learner x algo.num_learners must be at most the {found} GPUs that torch finds here, got "
            f"{gpus_per_learner!r} x {num_learners}: choose fewer learners"
        )


def per_learner(field: str, total: int, num_learners: int) -> int:
    """Return what falls to each learner.

    Args:
        field: the option as the user writes it.
        total: over all learners.
        num_learners: 0 is one learner, in this process.

    Raises:
        ConfigError: it does not divide.
    """
    learners = max(num_learners, 1)
    require(total % learners == 0, field, f"must be a multiple of algo.num_learners, {learners}", total)
    return total // learners


def base_config(
    config: AlgorithmConfig,
    setup: Setup,
    *,
    module: type[RLModule],
    catalog: type,
    model: dict[str, Any],
    num_envs: int,
    num_env_runners: int,
    fragment: int,
    iteration_steps: int,
    gradient_steps: float = 0,
    num_learners: int = 0,
    gpus_per_learner: float = 0,
) -> AlgorithmConfig:
    """Fill in what all algorithms have in common.

    Args:
        config: the algorithm's own configuration.
        setup: what it is set up for.
        module: RLlib's module of the algorithm.
        catalog: builds the module's parts from the lab's network.
        model: further entries of the model configuration.
        num_envs: environments a runner.
        num_env_runners: remote runners; 0 samples in this process.
        fragment: steps of each environment a sampling.
        iteration_steps: the least environment steps an iteration.
        gradient_steps: how many the budget makes, if the learner's steps can be compiled.
        num_learners: learners in processes of their own; 0 learns in this process.
        gpus_per_learner: 0 learns on the CPU.

    Raises:
        ConfigError: this machine has not the GPUs asked for.
    """
    check_gpus(num_learners, gpus_per_learner)
    rollout = setup.rollout.parts(config.algo_class, gradient_steps)
    config.algo_class = rollout.algorithm or config.algo_class
    parts = asdict(DefaultModelConfig()) | {"head_fcnet_hiddens": [], NETWORK: (setup.network, setup.layout)} | model

    return (
        config.framework("torch")
        .environment(RunnerMakesIt, env_config={"make_env": setup.make_env, "seed": setup.seed})
        .env_runners(
            env_runner_cls=rollout.runner,
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs,
            gym_env_vectorize_mode="vector_entry_point",
            rollout_fragment_length=fragment,
            # A sampling that is late is waited for, on a busy machine too: what was learned from does not depend on it.
            sample_timeout_s=3600,
        )
        .learners(
            num_learners=num_learners,
            num_gpus_per_learner=gpus_per_learner,
            learner_config_dict=dict(rollout.options),
            **({"learner_class": rollout.learner} if rollout.learner else {}),
        )
        .rl_module(rl_module_spec=RLModuleSpec(module_class=module, catalog_class=catalog, model_config=parts))
        .callbacks(LogEnvironment)
        # An iteration is counted in steps, never in time, so that a run repeats.
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=iteration_steps)
        .debugging(seed=setup.seed, log_level="ERROR")
    )


def linear_schedule(first: float, last: float, steps: int) -> list[list[float]] | float:
    """Return RLlib's form of a line from ``first`` to ``last`` over the budget, or a constant."""
    return first if first == last else [[0, first], [steps, last]]


def only_linear(head: nn.Module) -> nn.Linear:
    """Return the one linear layer that a head consists of."""
    linears = [part for part in head.modules() if isinstance(part, nn.Linear)]
    if len(linears) != 1:
        raise TypeError(f"a head of one linear layer was expected, got {head}")
    return linears[0]


def means_of(head: nn.Linear) -> nn.Linear:
    """Return the part of a Gaussian's head that gives the means; the other half gives the spreads."""
    means = nn.Linear(head.in_features, head.out_features // 2)
    means.weight.data, means.bias.data = head.weight.data[: means.out_features], head.bias.data[: means.out_features]
    return means
