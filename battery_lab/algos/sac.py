"""Soft actor-critic (Haarnoja et al. 2018; discrete: Christodoulou 2019) on RLlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.base import Setup, means_of, only_linear
from battery_lab.algos.off_policy_options import OffPolicy
from battery_lab.algos.rllib_encoder import LabSACCatalog
from battery_lab.common.errors import require


@dataclass(frozen=True, kw_only=True)
class SAC(OffPolicy):
    """The choice ``algo=sac``, with the options of every OffPolicy algorithm.

    Attributes:
        actor_lr: learning rate of the policy.
        critic_lr: learning rate of the two critics.
        alpha_lr: learning rate of the temperature.
        initial_alpha: temperature at the start.
        target_entropy: what the temperature steers the policy's entropy to. Discrete actions: this share of the
            entropy of uniform choice (RLlib's own ``auto`` asks for -1, which no discrete policy can have, so that
            the temperature only falls). Continuous actions: nats, given as this share of the action's dimension
            below zero (1 is Haarnoja's choice).
        tau: how fast the target networks follow, a fraction an update.
    """

    actor_lr: float
    critic_lr: float
    alpha_lr: float
    initial_alpha: float
    target_entropy: float
    tau: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("actor_lr", "critic_lr", "alpha_lr", "initial_alpha"):
            require(getattr(self, name) > 0, f"algo.{name}", "must be above 0", getattr(self, name))
        rule = "must be a share above 0 and at most 1"
        require(0 < self.target_entropy <= 1, "algo.target_entropy", rule, self.target_entropy)
        require(0 < self.tau <= 1, "algo.tau", "must be a fraction above 0 and at most 1", self.tau)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Both."""
        return ("discrete", "continuous")

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        space = setup.action_space
        levels = getattr(space, "n", None)
        entropy = -self.target_entropy if levels is None else self.target_entropy * math.log(levels)
        config = SACConfig().training(
            lr=None,
            actor_lr=self.actor_lr,
            critic_lr=self.critic_lr,
            alpha_lr=self.alpha_lr,
            initial_alpha=self.initial_alpha,
            target_entropy=entropy,
            tau=self.tau,
        )
        return self.filled_in(
            config,
            setup,
            module=DefaultSACTorchRLModule,
            catalog=LabSACCatalog,
            model={"twin_q": True},
        )

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy's encoder and head; continuous actions are the squashed mean."""
        head = only_linear(module.pi)
        if hasattr(module.action_space, "n"):
            return module.pi_encoder.net, head, "argmax"
        return module.pi_encoder.net, means_of(head), "tanh_mean"
