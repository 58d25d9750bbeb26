"""Options of the algorithms that learn from a replay buffer: DQN and SAC."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModule

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.rllib_config import base_config
from battery_lab.algos.rllib_options import SeveralLearnersOptions, per_learner
from battery_lab.common.errors import require
from battery_lab.common.memory_limit import refuse_beyond_memory
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Unit, options


@options("algo.replay")
class Replay:
    """Options of the replay buffer.

    Attributes:
        capacity: transitions.
        prioritised: whether transitions with large TD errors are sampled more often (Schaul et al. 2016).
        alpha: exponent of the priorities: 0 is uniform, 1 is proportional to the error.
        beta: exponent of the importance weights: 0 does not correct the bias of sampling by priority, 1 corrects it
            fully.
    """

    capacity: Annotated[Int, Field(ge=1), Highest(10_000_000_000), Unit("transitions")]
    prioritised: bool
    alpha: Annotated[float, Field(ge=0, le=1)]
    beta: Annotated[float, Field(ge=0, le=1)]


@options("algo")
class OffPolicyOptions(SeveralLearnersOptions):
    """Options of every algorithm that learns from a replay buffer.

    Attributes:
        n_step: rewards that a target sums.
        grad_clip: largest norm of the gradient.
        batch: transitions per gradient step, over all learners.
        training_intensity: transitions learned from per transition sampled.
        learning_starts: environment steps before the first gradient step.
        replay: the replay buffer.
        iteration_steps: minimum environment steps per iteration, which logs one line.
    """

    n_step: Annotated[Int, Field(ge=1), Highest(10_000), Unit("steps")]
    grad_clip: Annotated[float, Field(gt=0), Highest(MOST_STEPS)]
    batch: Annotated[Int, Field(ge=1), Highest(10_000_000), Unit("transitions")]
    training_intensity: Annotated[float, Field(gt=0), Highest(1_000_000)]
    learning_starts: Annotated[Int, Highest(10_000_000_000)]
    replay: Replay
    iteration_steps: Annotated[Int, Field(ge=1), Highest(MOST_STEPS), Unit("environment steps")]

    def __post_init__(self) -> None:
        super().__post_init__()
        per_learner("algo.batch", self.batch, self.num_learners)
        capacity = self.replay.capacity
        rule = f"must be from 1 to algo.replay.capacity, {capacity}"
        require(1 <= self.learning_starts <= capacity, "algo.learning_starts", rule, self.learning_starts)

    def rllib_config(
        self,
        config: AlgorithmConfig,
        setup: Setup,
        *,
        module: type[RLModule],
        catalog: type,
        model: dict[str, Any],
    ) -> AlgorithmConfig:
        """Add these options to an RLlib configuration.

        Args:
            config: RLlib configuration with the algorithm's own settings.
            setup: the trial.
            module: RLlib module class of the algorithm.
            catalog: RLlib catalog class that builds the module from the lab's network.
            model: additional entries of the model configuration.
        """
        row = 4 * (setup.layout.size + 4)  # an observation, an action, a reward and flags
        capacity, content = self.replay.capacity, f"a transition of {setup.layout.size} numbers in an observation"
        refuse_beyond_memory("algo.replay.capacity", capacity, capacity * row, f"{capacity:,} times {content}")
        refuse_beyond_memory("algo.batch", self.batch, 2 * self.batch * row, f"{self.batch:,} times {content}")
        config = config.training(
            gamma=self.gamma,
            n_step=self.n_step,
            grad_clip=self.grad_clip,
            train_batch_size_per_learner=per_learner("algo.batch", self.batch, self.num_learners),
            training_intensity=self.training_intensity,
            num_steps_sampled_before_learning_starts=self.learning_starts,
            replay_buffer_config=setup.rollout.replay_config(config.algo_class, **asdict(self.replay), seed=setup.seed),
        )
        return base_config(
            config,
            setup,
            self,
            module=module,
            catalog=catalog,
            model=model,
            iteration_steps=self.iteration_steps,
            gradient_steps=setup.env_steps * self.training_intensity / self.batch,
        )
