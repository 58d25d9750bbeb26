"""Deep Q-learning (Mnih et al. 2015) on RLlib, double and dueling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.base import Setup, linear_schedule, only_linear
from battery_lab.algos.off_policy_options import OffPolicy
from battery_lab.algos.rllib_encoder import LabDQNCatalog
from battery_lab.common.errors import require


@dataclass(frozen=True, kw_only=True)
class DQN(OffPolicy):
    """The choice ``algo=dqn``, with the options of every OffPolicy algorithm.

    Attributes:
        lr: learning rate at the start.
        lr_end: learning rate at the end of the budget, linear between.
        double: whether the online network chooses the action that the target network values (van Hasselt 2016).
        dueling: whether value and advantage have heads of their own (Wang 2016).
        epsilon_start: share of random actions at the start.
        epsilon_end: and from ``epsilon_fraction`` of the budget on, linear between.
        epsilon_fraction: a fraction of the budget, so that exploration lasts for episodes of thousands of steps.
        target_update: environment steps between two updates of the target network.
    """

    lr: float
    lr_end: float
    double: bool
    dueling: bool
    epsilon_start: float
    epsilon_end: float
    epsilon_fraction: float
    target_update: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.target_update >= 1, "algo.target_update", "must be 1 step or more", self.target_update)
        for name in ("epsilon_start", "epsilon_end"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"algo.{name}", "must be a share from 0 to 1", value)
        share = self.epsilon_fraction
        require(0 < share <= 1, "algo.epsilon_fraction", "must be a fraction above 0 and at most 1", share)
        require(self.lr > 0, "algo.lr", "must be above 0", self.lr)
        require(self.lr_end >= 0, "algo.lr_end", "must be 0 or more", self.lr_end)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete only: the maximum over actions is taken by enumeration."""
        return ("discrete",)

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        explored = max(1, round(self.epsilon_fraction * setup.env_steps))
        config = DQNConfig().training(
            lr=linear_schedule(self.lr, self.lr_end, setup.env_steps),
            double_q=self.double,
            dueling=self.dueling,
            num_atoms=1,
            epsilon=[[0, self.epsilon_start], [explored, self.epsilon_end]],
            target_network_update_freq=self.target_update,
        )
        return self.filled_in(config, setup, module=DefaultDQNTorchRLModule, catalog=LabDQNCatalog, model={})

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the encoder and the head of the advantages, whose best action is the best by value too."""
        return module.encoder.net, only_linear(module.af), "argmax"
