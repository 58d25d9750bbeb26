"""Soft actor-critic (Haarnoja et al. 2018; discrete: Christodoulou 2019) on RLlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.off_policy_options import OffPolicyOptions
from battery_lab.algos.rllib_config import mean_head, only_linear
from battery_lab.algos.rllib_encoder import LabSACCatalog
from battery_lab.common.validated_options import Highest, options


@options("algo")
class SAC(OffPolicyOptions):
    """The option ``algo=sac``.

    Attributes:
        actor_lr: learning rate of the policy.
        critic_lr: learning rate of the two critics.
        alpha_lr: learning rate of the temperature.
        initial_alpha: temperature at the start.
        target_entropy: target of the policy's entropy. For discrete actions, a fraction of the entropy of the uniform
            policy: RLlib's ``auto`` is -1, which no discrete policy can reach, so that the temperature would only fall.
            For continuous actions, the target is minus this fraction of the action's dimension, in nats (1 is
            Haarnoja's choice).
        tau: fraction by which the target networks move towards the online networks per update.
    """

    actor_lr: Annotated[float, Field(gt=0), Highest(1000)]
    critic_lr: Annotated[float, Field(gt=0), Highest(1000)]
    alpha_lr: Annotated[float, Field(gt=0), Highest(1000)]
    initial_alpha: Annotated[float, Field(gt=0), Highest(1_000_000)]
    target_entropy: Annotated[float, Field(gt=0, le=1)]
    tau: Annotated[float, Field(gt=0, le=1)]

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete and continuous."""
        return ("discrete", "continuous")

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        num_actions = getattr(setup.action_space, "n", None)
        entropy = -self.target_entropy if num_actions is None else self.target_entropy * math.log(num_actions)
        config = SACConfig().training(
            lr=None,
            actor_lr=self.actor_lr,
            critic_lr=self.critic_lr,
            alpha_lr=self.alpha_lr,
            initial_alpha=self.initial_alpha,
            target_entropy=entropy,
            tau=self.tau,
        )
        return self.rllib_config(
            config,
            setup,
            module=DefaultSACTorchRLModule,
            catalog=LabSACCatalog,
            model={"twin_q": True},
        )

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy's encoder and head; a continuous action is the tanh of the mean of its Gaussian."""
        head = only_linear(module.pi)
        if hasattr(module.action_space, "n"):
            return module.pi_encoder.net, head, "argmax"
        return module.pi_encoder.net, mean_head(head), "tanh_mean"
