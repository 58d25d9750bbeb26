"""Proximal policy optimization (Schulman et al. 2017) on RLlib."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Annotated, NamedTuple

from pydantic import Field
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModule
from torch import nn

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.rllib_config import base_config, linear_schedule, mean_head, only_linear
from battery_lab.algos.rllib_encoder import LabPPOCatalog
from battery_lab.algos.rllib_options import SeveralLearnersOptions, per_learner
from battery_lab.common.errors import require
from battery_lab.common.memory_limit import refuse_beyond_memory
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Unit, options


class BatchSizes(NamedTuple):
    """Sizes of a batch: steps per environment, and transitions in the batch and in a minibatch, over all learners."""

    fragment: int
    batch: int
    minibatch: int


@options("algo")
class PPO(SeveralLearnersOptions):
    """The option ``algo=ppo``.

    A policy that has seen few batches can get stuck at holding forever, where wear costs nothing. A short budget is
    therefore divided into at least ``min_batches`` batches: fragment and minibatch shrink in proportion, so that a
    batch still has the same number of gradient steps.

    Attributes:
        gae_lambda: lambda of generalized advantage estimation: 0 is one-step advantages (biased), 1 is Monte Carlo
            returns (noisy).
        lr: learning rate of Adam at the start.
        lr_end: learning rate at the end of the budget; linear in between.
        entropy_coeff: weight of the entropy bonus at the start.
        entropy_coeff_end: weight at the end of the budget; linear in between.
        clip: clip range of the probability ratio.
        value_clip: largest squared value error that counts, in scaled rewards.
        value_coeff: weight of the value loss.
        grad_clip: largest norm of the gradient.
        epochs: passes over each batch.
        minibatch: transitions per gradient step, over all learners, with the full fragment.
        min_batches: fewest batches in a budget that is long enough for one step per environment and batch. 0: batches
            have full fragments, however short the budget is.
    """

    gae_lambda: Annotated[float, Field(ge=0, le=1)]
    lr: Annotated[float, Field(gt=0), Highest(1000)]
    lr_end: Annotated[float, Field(ge=0), Highest(1000)]
    entropy_coeff: Annotated[float, Field(ge=0), Highest(1_000_000)]
    entropy_coeff_end: Annotated[float, Field(ge=0), Highest(1_000_000)]
    clip: Annotated[float, Field(gt=0), Highest(1_000_000)]
    value_clip: Annotated[float, Field(gt=0), Highest(MOST_STEPS)]
    value_coeff: Annotated[float, Field(ge=0), Highest(1_000_000)]
    grad_clip: Annotated[float, Field(gt=0), Highest(MOST_STEPS)]
    epochs: Annotated[Int, Field(ge=1), Highest(10_000)]
    minibatch: Annotated[Int, Field(ge=1), Highest(1_000_000_000), Unit("transitions")]
    min_batches: Annotated[Int, Field(ge=0), Highest(1_000_000_000), Unit("batches")]

    def __post_init__(self) -> None:
        super().__post_init__()
        batch = self.fragment * self._environments
        rule = f"must be at most a batch, {batch} = algo.fragment x algo.num_envs x env runners"
        require(self.minibatch <= batch, "algo.minibatch", rule, self.minibatch)
        per_learner("algo.minibatch", self.minibatch, self.num_learners)
        # Learners get whole rows of a fragment: one step of all environments of a runner.
        per_learner("algo.fragment x env runners", self.fragment * max(self.num_env_runners, 1), self.num_learners)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete and continuous."""
        return ("discrete", "continuous")

    @property
    def _environments(self) -> int:
        return self.num_envs * max(self.num_env_runners, 1)

    def batch_sizes(self, env_steps: int) -> BatchSizes:
        """Return the sizes of a batch for a budget in environment steps."""
        learners, runners = max(self.num_learners, 1), max(self.num_env_runners, 1)
        # The rows of all runners and the transitions of a minibatch are divided equally among the learners.
        unit = learners // gcd(learners, runners)
        fragment = self.fragment
        if self.min_batches:
            affordable = env_steps // (self._environments * self.min_batches) // unit * unit
            fragment = min(max(affordable, unit), fragment)
        minibatch = self.minibatch * fragment // self.fragment // learners * learners
        return BatchSizes(fragment, fragment * self._environments, max(minibatch, learners))

    def config(self, setup: Setup) -> AlgorithmConfig:
        """Return the RLlib configuration."""
        sizes = self.batch_sizes(setup.env_steps)
        content = f"a batch of {sizes.batch:,} observations of {setup.layout.size} numbers"
        refuse_beyond_memory("algo.fragment", self.fragment, 8 * sizes.batch * (setup.layout.size + 8), content)
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
            train_batch_size_per_learner=per_learner("a batch", sizes.batch, self.num_learners),
            minibatch_size=per_learner("algo.minibatch", sizes.minibatch, self.num_learners),
            num_epochs=self.epochs,
        )
        return base_config(
            config,
            setup,
            self,
            module=DefaultPPOTorchRLModule,
            catalog=LabPPOCatalog,
            model={"vf_share_layers": setup.network.shared_value},
            fragment=sizes.fragment,
            iteration_steps=sizes.batch,
            # As if minibatches were full: a short budget ends before a compiled program pays off.
            gradient_steps=setup.env_steps * self.epochs / self.minibatch,
        )

    def actor(self, module: RLModule) -> tuple[nn.Module, nn.Linear, str]:
        """Return the policy's encoder and head; a continuous action is the mean of its Gaussian."""
        encoders = module.encoder
        encoder = encoders.encoder if hasattr(encoders, "encoder") else encoders.actor_encoder
        head = only_linear(module.pi)
        if hasattr(module.action_space, "n"):
            return encoder.net, head, "argmax"
        return encoder.net, mean_head(head), "clipped_mean"
