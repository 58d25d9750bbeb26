"""What DQN and SAC share: learning from a memory of transitions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModule

from battery_lab.algos.base import Setup, base_config, check_common, per_learner
from battery_lab.common.errors import require


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A replay memory.

    Attributes:
        capacity: transitions.
        prioritised: whether transitions with large errors are drawn more often.
        alpha: how much the error counts, 0 uniform to 1 proportional.
        beta: how far the bias of doing so is corrected, 0 not at all to 1 in full.
    """

    capacity: int
    prioritised: bool
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        require(self.capacity >= 1, "algo.replay.capacity", "must be 1 transition or more", self.capacity)
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"algo.replay.{name}", "must be from 0 to 1", value)


@dataclass(frozen=True, kw_only=True)
class OffPolicy:
    """Options of every algorithm that learns from a replay memory.

    Attributes:
        gamma: discount an interval.
        n_step: how many rewards a target sums.
        grad_clip: largest norm of the gradient.
        batch: transitions a gradient step, over all learners.
        training_intensity: transitions learned from for each one sampled.
        learning_starts: environment steps before the first gradient step.
        replay: the replay memory.
        fragment: steps of each environment a sampling.
        num_envs: environments a runner.
        num_env_runners: remote runners; 0 samples in this process.
        num_learners: learners in processes of their own, which share each gradient step; 0 learns in this process.
        gpus_per_learner: 0 learns on the CPU.
        iteration_steps: the least environment steps between two log lines.
    """

    gamma: float
    n_step: int
    grad_clip: float
    batch: int
    training_intensity: float
    learning_starts: int
    replay: Replay
    fragment: int
    num_envs: int
    num_env_runners: int
    num_learners: int
    gpus_per_learner: float
    iteration_steps: int

    def __post_init__(self) -> None:
        check_common(
            gamma=self.gamma,
            num_envs=self.num_envs,
            num_env_runners=self.num_env_runners,
            num_learners=self.num_learners,
            gpus_per_learner=self.gpus_per_learner,
        )
        for name in ("n_step", "batch", "fragment", "iteration_steps"):
            require(getattr(self, name) >= 1, f"algo.{name}", "must be 1 or more", getattr(self, name))
        per_learner("algo.batch", self.batch, self.num_learners)
        for name in ("grad_clip", "training_intensity"):
            require(getattr(self, name) > 0, f"algo.{name}", "must be above 0", getattr(self, name))
        rule = f"must be from 1 to the replay's capacity, {self.replay.capacity}"
        require(1 <= self.learning_starts <= self.replay.capacity, "algo.learning_starts", rule, self.learning_starts)

    def filled_in(
        self,
        config: AlgorithmConfig,
        setup: Setup,
        *,
        module: type[RLModule],
        catalog: type,
        model: dict[str, Any],
    ) -> AlgorithmConfig:
        """Return an algorithm's own configuration with the options here put in.

        Args:
            config: the algorithm's own configuration.
            setup: what it is set up for.
            module: RLlib's module of the algorithm.
            catalog: builds the module's parts from the lab's network.
            model: further entries of the model configuration.
        """
        config = config.training(
            gamma=self.gamma,
            n_step=self.n_step,
            grad_clip=self.grad_clip,
            train_batch_size_per_learner=per_learner("algo.batch", self.batch, self.num_learners),
            training_intensity=self.training_intensity,
            num_steps_sampled_before_learning_starts=self.learning_starts,
            replay_buffer_config=setup.rollout.replay_config(**asdict(self.replay), seed=setup.seed),
        )
        return base_config(
            config,
            setup,
            module=module,
            catalog=catalog,
            model=model,
            num_envs=self.num_envs,
            num_env_runners=self.num_env_runners,
            fragment=self.fragment,
            iteration_steps=self.iteration_steps,
            gradient_steps=setup.env_steps * self.training_intensity / self.batch,
            num_learners=self.num_learners,
            gpus_per_learner=self.gpus_per_learner,
        )
