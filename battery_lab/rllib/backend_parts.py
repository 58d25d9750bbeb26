"""Backend parts: RLlib's classes for each algorithm, and the lab's own that replace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQN
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.algorithms.sac import SAC
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.env_runner import EnvRunner

from battery_lab.rllib.learners.dqn_learner import ArrayDQNLearner
from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.learners.sac_learner import ArraySACLearner
from battery_lab.rllib.ppo_algorithm import ArrayPPO
from battery_lab.rllib.replay_algorithms import ArrayDQN, ArraySAC
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from battery_lab.rllib.stock_learners import CheckpointedPPOLearner, CheckpointedSACLearner
from battery_lab.rllib.stock_replay_algorithms import StockDQN, StockSAC

OFF_POLICY = (DQN, SAC)


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


def array_parts(algorithm: type[Algorithm], options: Mapping[str, Any]) -> Parts:
    """Return the lab's runner, learner and algorithm if it has them for this algorithm."""
    parts = {
        PPO: Parts(runner=ArrayEnvRunner, learner=ArrayPPOLearner, algorithm=ArrayPPO, options=options),
        DQN: Parts(runner=ArrayEnvRunner, learner=ArrayDQNLearner, algorithm=ArrayDQN, options=options),
        SAC: Parts(runner=ArrayEnvRunner, learner=ArraySACLearner, algorithm=ArraySAC, options=options),
    }
    return parts.get(algorithm, Parts())


def stock_parts(algorithm: type[Algorithm]) -> Parts:
    """Return RLlib's classes, with state that RLlib leaves out of checkpoints added."""
    parts = {
        PPO: Parts(learner=CheckpointedPPOLearner),
        DQN: Parts(algorithm=StockDQN),
        SAC: Parts(algorithm=StockSAC, learner=CheckpointedSACLearner),
    }
    return parts.get(algorithm, Parts())
