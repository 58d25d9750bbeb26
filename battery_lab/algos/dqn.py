"""Deep Q-learning (Mnih et al. 2015) on RLlib, double and dueling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.off_policy_options import OffPolicyOptions
from battery_lab.algos.rllib_config import linear_schedule, only_linear
from battery_lab.algos.rllib_encoder import LabDQNCatalog
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Unit, options


@options("algo")
class DQN(OffPolicyOptions):
    """The option ``algo=dqn``.

    Attributes:
        lr: learning rate of Adam at the start.
        lr_end: learning rate at the end of the budget; linear in between.
        double: whether the online network selects the action that the target network evaluates (van Hasselt 2016).
        dueling: whether value and advantage have separate heads (Wang 2016).
        epsilon_start: probability of a random action at the start.
        epsilon_end: probability after ``epsilon_fraction`` of the budget; linear in between.
        epsilon_fraction: fraction of the budget over which epsilon falls. A fraction, because episodes have thousands
            of steps.
        target_update: environment steps between updates of the target network.
    """

    lr: Annotated[float, Field(gt=0), Highest(1000)]
    lr_end: Annotated[float, Field(ge=0), Highest(1000)]
    double: bool
    dueling: bool
    epsilon_start: Annotated[float, Field(ge=0, le=1)]
    epsilon_end: Annotated[float, Field(ge=0, le=1)]
    epsilon_fraction: Annotated[float, Field(gt=0, le=1)]
    target_update: Annotated[Int, Field(ge=1), Highest(MOST_STEPS), Unit("environment steps")]

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete only: Q-learning maximizes over all actions."""
        return ("discrete",)

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        exploration_steps = max(1, round(self.epsilon_fraction * setup.env_steps))
        config = DQNConfig().training(
            lr=linear_schedule(self.lr, self.lr_end, setup.env_steps),
            double_q=self.double,
            dueling=self.dueling,
            num_atoms=1,
            epsilon=[[0, self.epsilon_start], [exploration_steps, self.epsilon_end]],
            target_network_update_freq=self.target_update,
        )
        return self.rllib_config(config, setup, module=DefaultDQNTorchRLModule, catalog=LabDQNCatalog, model={})

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the encoder and the advantage head; the largest advantage has the largest Q-value."""
        return module.encoder.net, only_linear(module.af), "argmax"
