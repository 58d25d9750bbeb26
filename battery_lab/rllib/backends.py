"""The choices of conf/rollout: how data move between environment, replay memory and learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQN
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.algorithms.sac import SAC
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.env_runner import EnvRunner

from battery_lab.common.errors import require
from battery_lab.rllib import stock_backend
from battery_lab.rllib.learners.dqn_learner import ArrayDQNLearner
from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.learners.sac_learner import ArraySACLearner
from battery_lab.rllib.ppo_algorithm import ArrayPPO
from battery_lab.rllib.replay_algorithms import ArrayDQN, ArraySAC
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import LabEnvRunner

OFF_POLICY = (DQN, SAC)
WORTH = 1.5  # times the steps before compiled ones take over: the gradient steps of a run from which on compiling pays


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What stands between an environment and an algorithm of RLlib.

    Attributes:
        runner: samples.
        learner: learns; None is the algorithm's own.
        algorithm: goes round between them; None is RLlib's.
        options: of the learner.
    """

    runner: type[EnvRunner] = LabEnvRunner
    learner: type[Learner] | None = None
    algorithm: type[Algorithm] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Rollout(Protocol):
    """A choice of conf/rollout."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return what to put in RLlib's places for one of its algorithms, which is to take so many gradient steps."""

    def replay_config(
        self, *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return RLlib's configuration of the replay memory."""


@dataclass(frozen=True, kw_only=True)
class ArrayRollout:
    """The choice ``rollout=array``: whole arrays. Algorithms without a learner on arrays get RLlib's own parts.

    Attributes:
        compile: whether gradients are found by a compiled program; needs g++.
        compile_after: gradient steps before it takes over; compiling goes on meanwhile.
        compile_after_off_policy: the same of DQN and SAC, whose steps gain less, and are not slowed meanwhile.
        cache: folder of compiled programs.
    """

    compile: bool
    compile_after: int
    compile_after_off_policy: int
    cache: str

    def __post_init__(self) -> None:
        for name in ("compile_after", "compile_after_off_policy"):
            require(
                getattr(self, name) >= 0, f"rollout.{name}", "must be 0 or more gradient steps", getattr(self, name)
            )

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return the lab's runner, and learner and round, where there are such."""
        after = self.compile_after_off_policy if algorithm in OFF_POLICY else self.compile_after
        # A short run would end before a compiled program makes up for its making.
        worth = self.compile and gradient_steps >= WORTH * after
        cache = self.cache if worth else None
        options = {"compile_cache": cache, "compile_after": after, "compile_hurry": algorithm not in OFF_POLICY}
        known = {
            PPO: Parts(runner=ArrayEnvRunner, learner=ArrayPPOLearner, algorithm=ArrayPPO, options=options),
            DQN: Parts(runner=ArrayEnvRunner, learner=ArrayDQNLearner, algorithm=ArrayDQN, options=options),
            SAC: Parts(runner=ArrayEnvRunner, learner=ArraySACLearner, algorithm=ArraySAC, options=options),
        }
        return known.get(algorithm, Parts())

    def replay_config(
        self, *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of TransitionReplay."""
        # RLlib checks the type by name, though it never makes one of it.
        options = {"capacity": capacity, "prioritised": prioritised, "alpha": alpha, "beta": beta, "seed": seed}
        return {"type": "EpisodeReplayBuffer"} | options


@dataclass(frozen=True, kw_only=True)
class StockRollout:
    """The choice ``rollout=stock``: RLlib's own episodes, for comparison and for what arrays do not do."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return RLlib's parts, mended where they forget their state."""
        known = {
            PPO: Parts(learner=stock_backend.KeepsCoefficients),
            DQN: Parts(algorithm=stock_backend.StockDQN),
            SAC: Parts(algorithm=stock_backend.StockSAC, learner=stock_backend.KeepsTemperature),
        }
        return known.get(algorithm, Parts())

    def replay_config(
        self, *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of RLlib's memory."""
        return stock_backend.replay_config(capacity, prioritised, alpha, beta, seed)
