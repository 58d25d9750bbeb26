"""RLlib options: those of every algorithm that RLlib trains, in one or in several processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.rllib_algorithm_adapter import RLlibLearner
from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import Highest, Int, Unit, options


@options("algo")
class RLlibOptions(ABC):
    """Options of every algorithm that RLlib trains. A subclass defines the configuration and finds the policy in it.

    Attributes:
        gamma: discount per dispatch interval.
        fragment: steps per environment and sample.
        num_envs: environments per env runner.
        num_env_runners: env runners in separate processes; 0 samples in this process.
    """

    gamma: Annotated[float, Field(ge=0, le=1)]
    fragment: Annotated[Int, Field(ge=1), Highest(10_000_000), Unit("steps")]
    num_envs: Annotated[Int, Field(ge=1, le=65536), Unit("environments per env runner")]
    num_env_runners: Annotated[Int, Field(ge=0, le=1024), Unit("env runners (0 samples in this process)")]

    @property
    @abstractmethod
    def action_kinds(self) -> Sequence[str]:
        """Kinds of actions that it can learn: ``discrete``, ``continuous`` or both."""

    @abstractmethod
    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""

    @abstractmethod
    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy inside a module: its encoder, its head and its decision rule.

        The decision rule is ``argmax``, ``clipped_mean`` or ``tanh_mean`` (see policies/policy.py).
        """

    def learner(self, setup: Setup) -> RLlibLearner:
        """Return a learner that is ready to train; starts Ray if the algorithm needs it."""
        return RLlibLearner(self.config(setup), self.actor, setup)


@options("algo")
class SeveralLearnersOptions(RLlibOptions):
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
