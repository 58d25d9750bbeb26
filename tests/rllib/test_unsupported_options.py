"""Unsupported options: the array backend rejects what it would ignore, and names rollout=stock."""

from __future__ import annotations

import pytest
from ray.rllib.algorithms.dqn import DQN, DQNConfig
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import SelfSupervisedLossAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from tests.rllib.small_configs import array_backend, configured

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {"minibatch_size": 64, "train_batch_size_per_learner": 128}


class OwnLoss:
    def compute_loss_for_module(self, **kwargs):
        return super().compute_loss_for_module(**kwargs)


class Mixed(OwnLoss, ArrayPPOLearner):
    pass


class Changed(ArrayPPOLearner):
    compute_losses = OwnLoss.compute_loss_for_module


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.learners(learner_class=Mixed), "compute_loss_for_module"),
        (lambda c: c.learners(learner_class=Changed), "compute_losses"),
        (lambda c: c.multi_agent(policies_to_train=[]), "policies_to_train"),
        (lambda c: c.learners(learner_connector=lambda *spaces: []), "connectors"),
        (
            lambda c: c.multi_agent(
                algorithm_config_overrides_per_module={"default_policy": PPOConfig.overrides(clip_param=0.05)}
            ),
            "overrides_per_module",
        ),
        (lambda c: c.framework(torch_compile_learner=True), "torch_compile_learner"),
    ],
)
def test_custom_learners_and_unsupported_options_are_rejected(change, named):
    with pytest.raises(ConfigError, match=f"{named}.*rollout=stock"):
        change(configured(PPOConfig())).build_algo()


class OwnForward(DefaultDQNTorchRLModule):
    def _forward_train(self, batch, **kwargs):
        return super()._forward_train(batch, **kwargs)


class Curious(DefaultPPOTorchRLModule, SelfSupervisedLossAPI):
    def compute_self_supervised_loss(self, **kwargs):
        return 0.0


@pytest.mark.parametrize(
    ("config", "module", "named"),
    [(DQNConfig, OwnForward, "_forward_train"), (PPOConfig, Curious, "compute_self_supervised_loss")],
)
def test_overridden_module_methods_that_losses_skip_are_rejected(config, module, named):
    replay = array_backend().replay_config(DQN, capacity=100, prioritised=False, alpha=0.6, beta=0.4, seed=0)
    training = {} if config is PPOConfig else {"replay_buffer_config": replay}
    made = configured(config().training(**training)).rl_module(rl_module_spec=RLModuleSpec(module_class=module))
    with pytest.raises(ConfigError, match=f"{named}.*rollout=stock"):
        made.build_algo()


def test_learning_without_exploration_is_rejected():
    algorithm = configured(PPOConfig().training(**SMALL), explore=False).build_algo()
    with pytest.raises(ConfigError, match=r"action_logp.*explore=True"):
        algorithm.train()
    algorithm.stop()


class Decided(DefaultPPOTorchRLModule):
    """A policy that samples its actions itself."""

    def _forward_exploration(self, batch, **kwargs):
        out = super()._forward_exploration(batch, **kwargs)
        dist = self.get_exploration_action_dist_cls().from_logits(out[Columns.ACTION_DIST_INPUTS])
        out[Columns.ACTIONS] = dist.sample()
        out[Columns.ACTION_LOGP] = dist.logp(out[Columns.ACTIONS])
        return out


def test_module_that_samples_its_own_actions_is_supported():
    config = configured(PPOConfig().training(**SMALL)).rl_module(rl_module_spec=RLModuleSpec(module_class=Decided))
    algorithm = config.build_algo()
    metrics = algorithm.train()["learners"]["default_policy"]
    algorithm.stop()
    # The policy of the first step of a batch sampled it, and those of the other steps are close to it.
    assert abs(float(metrics["mean_kl_loss"])) < 0.1
    assert abs(float(metrics["policy_loss"])) < 0.5
