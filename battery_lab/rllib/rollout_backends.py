"""Backends: the RLlib classes that move data between environments, replay buffer and learner (conf/rollout)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQN
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.algorithms.sac import SAC
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.env_runner import EnvRunner

from battery_lab.common.errors import ConfigError
from battery_lab.common.validated_options import Int, Unit, options
from battery_lab.rllib.learners.dqn_learner import ArrayDQNLearner
from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.learners.sac_learner import ArraySACLearner
from battery_lab.rllib.ppo_algorithm import ArrayPPO
from battery_lab.rllib.replay_algorithms import ArrayDQN, ArraySAC
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from battery_lab.rllib.stock_learners import CheckpointedPPOLearner, CheckpointedSACLearner
from battery_lab.rllib.stock_replay import StockDQN, StockSAC, replay_config

OFF_POLICY = (DQN, SAC)
# Compiling pays off in runs of at least this many times the gradient steps before the compiled program takes over.
MIN_COMPILED_RATIO = 1.5


@dataclass(frozen=True, kw_only=True)
class Parts:
    """RLlib classes that replace RLlib's own.

    Attributes:
        runner: environment runner.
        learner: learner; None for the algorithm's default.
        algorithm: algorithm; None for RLlib's own.
        options: configuration of the learner.
    """

    runner: type[EnvRunner] = CheckpointedEnvRunner
    learner: type[Learner] | None = None
    algorithm: type[Algorithm] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """An option of conf/rollout."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return the classes for one of RLlib's algorithms that will take ``gradient_steps`` gradient steps."""

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return RLlib's configuration of the replay buffer of one of its algorithms."""


@options("rollout")
class ArrayBackend:
    """The option ``rollout=array``: whole arrays. Algorithms without an array learner get RLlib's own classes.

    Attributes:
        compile: whether a compiled program computes gradients; needs g++.
        compile_after: gradient steps before the compiled program takes over; it is compiled in the meantime.
        compile_after_off_policy: the same for DQN and SAC, which gain less from it; their compiler runs at low
            priority.
        cache: folder of compiled programs.
    """

    compile: bool
    compile_after: Annotated[Int, Field(ge=0), Unit("gradient steps")]
    compile_after_off_policy: Annotated[Int, Field(ge=0), Unit("gradient steps")]
    cache: str

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return the lab's runner, learner and algorithm if it has them for this algorithm."""
        after = self.compile_after_off_policy if algorithm in OFF_POLICY else self.compile_after
        # A short run would end before the compiled program has paid for its compilation.
        compiles = self.compile and gradient_steps >= MIN_COMPILED_RATIO * after
        cache = self.cache if compiles else None
        options = {"compile_cache": cache, "compile_after": after, "compile_urgent": algorithm not in OFF_POLICY}
        parts = {
            PPO: Parts(runner=ArrayEnvRunner, learner=ArrayPPOLearner, algorithm=ArrayPPO, options=options),
            DQN: Parts(runner=ArrayEnvRunner, learner=ArrayDQNLearner, algorithm=ArrayDQN, options=options),
            SAC: Parts(runner=ArrayEnvRunner, learner=ArraySACLearner, algorithm=ArraySAC, options=options),
        }
        return parts.get(algorithm, Parts())

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of TransitionReplay.

        Raises:
            ConfigError: the algorithm would get RLlib's buffer of this name, which ignores unknown options.
        """
        if algorithm not in OFF_POLICY:
            raise ConfigError(
                f"rollout=array has replay buffers for DQN and SAC only, got {algorithm.__name__}: use rollout=stock"
            )
        # RLlib validates the type by name, but never creates one: ArrayReplayAlgorithm builds the buffer.
        options = {"capacity": capacity, "prioritised": prioritised, "alpha": alpha, "beta": beta, "seed": seed}
        return {"type": "EpisodeReplayBuffer"} | options


@options("rollout")
class StockBackend:
    """The option ``rollout=stock``: RLlib's own episodes, for comparison and for features that arrays lack."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return RLlib's classes, with state that RLlib leaves out of checkpoints added."""
        parts = {
            PPO: Parts(learner=CheckpointedPPOLearner),
            DQN: Parts(algorithm=StockDQN),
            SAC: Parts(algorithm=StockSAC, learner=CheckpointedSACLearner),
        }
        return parts.get(algorithm, Parts())

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of RLlib's replay buffer."""
        return replay_config(capacity, prioritised, alpha, beta, seed)
