"""Deep Q-learning (Mnih et al. 2015) on RLlib, double and dueling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray.rllib.algorithms import dqn
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.base import Setup, base_config, linear_schedule, only_linear
from battery_lab.algos.encoder import LabDQNCatalog
from battery_lab.algos.replay import Replay, SeededReplayMixin, check_off_policy
from battery_lab.errors import require


class DQNAlgorithm(SeededReplayMixin, dqn.DQN):  # type: ignore[misc]
    """RLlib's DQN with a memory that repeats."""


@dataclass(frozen=True, kw_only=True)
class DQN:
    """The choice ``algo=dqn``.

    Attributes:
        gamma: discount an interval.
        lr: learning rate at the start.
        lr_end: learning rate at the end of the budget, linear between.
        double: whether the online network chooses the action that the target network values (van Hasselt 2016).
        dueling: whether value and advantage have heads of their own (Wang 2016).
        n_step: how many rewards a target sums.
        epsilon_start: share of random actions at the start.
        epsilon_end: and from ``epsilon_fraction`` of the budget on, linear between.
        epsilon_fraction: a fraction of the budget, so that exploration lasts for episodes of thousands of steps.
        target_update: environment steps between two updates of the target network.
        grad_clip: largest norm of the gradient.
        batch: transitions a gradient step.
        training_intensity: transitions learned from for each one sampled.
        learning_starts: environment steps before the first gradient step.
        replay: the replay memory.
        fragment: steps of each environment a sampling.
        num_envs: environments a runner.
        num_env_runners: remote runners; 0 samples in this process.
        iteration_steps: the least environment steps between two log lines.
    """

    gamma: float
    lr: float
    lr_end: float
    double: bool
    dueling: bool
    n_step: int
    epsilon_start: float
    epsilon_end: float
    epsilon_fraction: float
    target_update: int
    grad_clip: float
    batch: int
    training_intensity: float
    learning_starts: int
    replay: Replay
    fragment: int
    num_envs: int
    num_env_runners: int
    iteration_steps: int

    def __post_init__(self) -> None:
        check_off_policy(self)
        require(self.target_update >= 1, "algo.target_update", "must be 1 step or more", self.target_update)
        for name in ("epsilon_start", "epsilon_end"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"algo.{name}", "must be a share from 0 to 1", value)
        share = self.epsilon_fraction
        require(0 < share <= 1, "algo.epsilon_fraction", "must be a fraction above 0 and at most 1", share)
        for name in ("lr", "grad_clip"):
            require(getattr(self, name) > 0, f"algo.{name}", "must be above 0", getattr(self, name))
        require(self.lr_end >= 0, "algo.lr_end", "must be 0 or more", self.lr_end)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete only: the maximum over actions is taken by enumeration."""
        return ("discrete",)

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        explored = max(1, round(self.epsilon_fraction * setup.env_steps))
        config = dqn.DQNConfig(algo_class=DQNAlgorithm).training(
            gamma=self.gamma,
            lr=linear_schedule(self.lr, self.lr_end, setup.env_steps),
            double_q=self.double,
            dueling=self.dueling,
            num_atoms=1,
            n_step=self.n_step,
            epsilon=[[0, self.epsilon_start], [explored, self.epsilon_end]],
            target_network_update_freq=self.target_update,
            grad_clip=self.grad_clip,
            train_batch_size_per_learner=self.batch,
            training_intensity=self.training_intensity,
            num_steps_sampled_before_learning_starts=self.learning_starts,
            replay_buffer_config=self.replay.config(setup.seed),
        )
        return base_config(
            config,
            setup,
            module=DefaultDQNTorchRLModule,
            catalog=LabDQNCatalog,
            model={},
            num_envs=self.num_envs,
            num_env_runners=self.num_env_runners,
            fragment=self.fragment,
            iteration_steps=self.iteration_steps,
        )

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the encoder and the head of the advantages, whose best action is the best by value too."""
        return module.encoder.net, only_linear(module.af), "argmax"
