"""PPO learners of this lab and of RLlib on the same episodes."""

from __future__ import annotations

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.evaluation.postprocessing import Postprocessing

from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured

ADVANTAGES, TARGETS = Postprocessing.ADVANTAGES, Postprocessing.VALUE_TARGETS


def build_learner(learner, box=False, **options):
    """Return a learner, and a fragment with terminated and truncated episodes."""
    training = {"use_kl_loss": True, "kl_coeff": 0.3, "entropy_coeff": 0.02, "vf_clip_param": 50.0, "grad_clip": 0.5}
    make = lambda num_envs, seed: ScriptedEnv((4, 6, 9), (True, False, False), num_envs, box)  # noqa: E731
    config = configured(PPOConfig().training(**training | options), make)
    config.learners(learner_class=ArrayPPOLearner)
    runner = ArrayEnvRunner(config=config)
    config.learners(learner_class=learner)
    spaces = runner.get_spaces()
    built = learner(config=config, module_spec=config.get_multi_rl_module_spec(spaces=spaces))
    built.build()
    built.module[DEFAULT_MODULE_ID].set_state(runner.module.get_state())
    return built, runner.sample(num_timesteps=150)[0]


def build_both(box=False, **options):
    ours, fragment = build_learner(ArrayPPOLearner, box, **options)
    stock, _ = build_learner(PPOTorchLearner, box, **options)
    stock.module.set_state(ours.module.get_state())
    return ours, stock, fragment


def parameters_of(learner):
    return list(learner.module[DEFAULT_MODULE_ID].parameters())
