"""Proximal policy optimisation (Schulman et al. 2017) on RLlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.base import Setup, base_config, check_common, linear_schedule, means_of, only_linear, per_learner
from battery_lab.algos.rllib_encoder import LabPPOCatalog
from battery_lab.common.errors import require


@dataclass(frozen=True, kw_only=True)
class PPO:
    """The choice ``algo=ppo``.

    Attributes:
        gamma: discount an interval.
        gae_lambda: of generalised advantage estimation.
        lr: learning rate at the start.
        lr_end: learning rate at the end of the budget, linear between.
        entropy_coeff: weight of the entropy bonus at the start.
        entropy_coeff_end: at the end of the budget, linear between.
        clip: how far the probability ratio may move.
        value_clip: the largest squared error of the value that is learned from.
        value_coeff: weight of the value loss.
        grad_clip: largest norm of the gradient.
        epochs: passes over each batch.
        minibatch: transitions a gradient step, over all learners.
        fragment: steps of each environment a batch.
        num_envs: environments a runner.
        num_env_runners: remote runners; 0 samples in this process.
        num_learners: learners in processes of their own, which share each gradient step; 0 learns in this process.
        gpus_per_learner: 0 learns on the CPU.
    """

    gamma: float
    gae_lambda: float
    lr: float
    lr_end: float
    entropy_coeff: float
    entropy_coeff_end: float
    clip: float
    value_clip: float
    value_coeff: float
    grad_clip: float
    epochs: int
    minibatch: int
    fragment: int
    num_envs: int
    num_env_runners: int
    num_learners: int
    gpus_per_learner: float

    def __post_init__(self) -> None:
        check_common(
            gamma=self.gamma,
            num_envs=self.num_envs,
            num_env_runners=self.num_env_runners,
            num_learners=self.num_learners,
            gpus_per_learner=self.gpus_per_learner,
        )
        require(0 <= self.gae_lambda <= 1, "algo.gae_lambda", "must be from 0 to 1", self.gae_lambda)
        for name in ("lr", "clip", "value_clip", "grad_clip"):
            require(getattr(self, name) > 0, f"algo.{name}", "must be above 0", getattr(self, name))
        for name in ("lr_end", "entropy_coeff", "entropy_coeff_end", "value_coeff"):
            require(getattr(self, name) >= 0, f"algo.{name}", "must be 0 or more", getattr(self, name))
        for name in ("epochs", "minibatch", "fragment"):
            require(getattr(self, name) >= 1, f"algo.{name}", "must be 1 or more", getattr(self, name))
        rule = f"must be at most a batch, {self.batch} = fragment x num_envs x runners"
        require(self.minibatch <= self.batch, "algo.minibatch", rule, self.minibatch)
        per_learner("algo.minibatch", self.minibatch, self.num_learners)
        # Fragments are shared out by whole rows, a step of all environments of a runner each.
        per_learner("algo.fragment x runners", self.fragment * max(self.num_env_runners, 1), self.num_learners)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Both."""
        return ("discrete", "continuous")

    @property
    def batch(self) -> int:
        """Transitions an iteration."""
        return self.fragment * self.num_envs * max(self.num_env_runners, 1)

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        config = PPOConfig().training(
            gamma=self.gamma,
            lambda_=self.gae_lambda,
            lr=linear_schedule(self.lr, self.lr_end, setup.env_steps),
            entropy_coeff=linear_schedule(self.entropy_coeff, self.entropy_coeff_end, setup.env_steps),
            clip_param=self.clip,
            vf_clip_param=self.value_clip,
            vf_loss_coeff=self.value_coeff,
            grad_clip=self.grad_clip,
            use_kl_loss=False,
            train_batch_size_per_learner=per_learner("a batch", self.batch, self.num_learners),
            minibatch_size=per_learner("algo.minibatch", self.minibatch, self.num_learners),
            num_epochs=self.epochs,
        )
        return base_config(
            config,
            setup,
            module=DefaultPPOTorchRLModule,
            catalog=LabPPOCatalog,
            model={"vf_share_layers": setup.network.shared_value},
            num_envs=self.num_envs,
            num_env_runners=self.num_env_runners,
            fragment=self.fragment,
            iteration_steps=self.batch,
            gradient_steps=setup.env_steps * self.epochs / self.minibatch,
            num_learners=self.num_learners,
            gpus_per_learner=self.gpus_per_learner,
        )

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy's encoder and head; continuous actions are their mean."""
        both = module.encoder
        encoder = both.encoder if hasattr(both, "encoder") else both.actor_encoder
        head = only_linear(module.pi)
        if hasattr(module.action_space, "n"):
            return encoder.net, head, "argmax"
        return encoder.net, means_of(head), "clipped_mean"
