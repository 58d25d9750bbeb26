"""The DQN and SAC learners on arrays: they equal RLlib's learners on the same batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchSquashedGaussian
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED_LIFETIME

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.learners.dqn_learner import ArrayDQNLearner
from battery_lab.rllib.learners.sac_learner import NEXT_NOISE, NOISE, ArraySACLearner, squashed_sample
from battery_lab.rllib.runners.array_runner import ArrayEnvRunner
from tests.rllib.learners.learner_gradients import gradients_of
from tests.rllib.scripted_env import ScriptedEnv
from tests.rllib.small_configs import configured

pytestmark = pytest.mark.usefixtures("one_torch_thread")

KINDS = {
    "dqn": (DQNConfig, ArrayDQNLearner, DQNTorchLearner, False),
    "sac": (SACConfig, ArraySACLearner, SACTorchLearner, False),
    "sac_box": (SACConfig, ArraySACLearner, SACTorchLearner, True),
}


def build_learner(kind, learner, **options):
    config, _, _, box = KINDS[kind]
    training = {"replay_buffer_config": {"type": "EpisodeReplayBuffer"}, "grad_clip": 0.5}
    if kind != "dqn":
        training |= {"target_entropy": 0.3 if not box else -0.5}
    make = lambda num_envs, seed: ScriptedEnv((50,), (True,), num_envs, box)  # noqa: E731
    config = configured(config().training(**training | options), make)
    spaces = ArrayEnvRunner(config=config).get_spaces()
    config.learners(learner_class=learner)
    built = learner(config=config, module_spec=config.get_multi_rl_module_spec(spaces=spaces))
    built.build()
    return built


def build_both(kind, **options):
    _, ours, stock, _ = KINDS[kind]
    ours, stock = build_learner(kind, ours, **options), build_learner(kind, stock, **options)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in ours.module[DEFAULT_MODULE_ID].state_dict().values():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    stock.module.set_state(ours.module.get_state())
    return ours, stock


def random_columns(box, size=96):
    rng = np.random.default_rng(5)
    actions = rng.uniform(-0.9, 0.9, (size, 1)).astype(np.float32) if box else rng.integers(0, 3, size)
    return {
        Columns.OBS: rng.normal(size=(size, 3)).astype(np.float32),
        Columns.NEXT_OBS: rng.normal(size=(size, 3)).astype(np.float32),
        Columns.ACTIONS: actions,
        Columns.REWARDS: rng.normal(size=size).astype(np.float32),
        Columns.TERMINATEDS: rng.random(size) < 0.2,
        "n_step": rng.integers(1, 4, size).astype(np.float32),
        "weights": rng.uniform(0.5, 1, size).astype(np.float32),
    }


def batch_of(columns):
    return MultiAgentBatch({DEFAULT_MODULE_ID: SampleBatch(columns)}, env_steps=len(columns["weights"]))


OPTIONS = [
    ("dqn", {}),
    ("dqn", {"double_q": False, "dueling": False, "td_error_loss_fn": "mse"}),
    ("sac", {}),
    ("sac_box", {}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_losses_and_gradients_agree(kind, options):
    ours, stock = build_both(kind, **options)
    columns = random_columns(KINDS[kind][3])
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    torch.manual_seed(0)
    batch = {DEFAULT_MODULE_ID: dict(tensors)}
    losses = stock.compute_losses(fwd_out=stock.module.forward_train(batch), batch=batch)
    wanted = stock.compute_gradients(losses)
    if kind == "sac_box":
        torch.manual_seed(0)
        tensors |= {name: torch.normal(torch.zeros(96, 1), torch.ones(96, 1)) for name in (NOISE, NEXT_NOISE)}
    figures = gradients_of(ours, tensors)
    assert float(figures["total_loss"]) == pytest.approx(float(losses[DEFAULT_MODULE_ID].detach()), rel=1e-4)
    named = dict(stock.module[DEFAULT_MODULE_ID].named_parameters())
    for name, parameter in ours.module[DEFAULT_MODULE_ID].named_parameters():
        theirs = wanted.get(named[name])
        if parameter.grad is None:
            assert theirs is None or not theirs.any(), name
        else:
            assert torch.allclose(parameter.grad, theirs, rtol=1e-3, atol=1e-6), name
    of_sac = {"qf_twin_loss", "policy_loss", "alpha_loss", "alpha_value", "log_alpha_value", "target_entropy", "logps"}
    shared = {"total_loss", "qf_loss", "qf_mean", "qf_max", "qf_min", "td_error_mean", "td_error"}
    assert set(figures) == shared | (set() if kind == "dqn" else of_sac)
    for name in figures.keys() - {"total_loss", "td_error"}:
        logged = float(torch.as_tensor(stock.metrics.peek((DEFAULT_MODULE_ID, name))).detach())
        assert float(figures[name]) == pytest.approx(logged, rel=1e-3, abs=1e-6), name
    errors = stock.metrics.peek((DEFAULT_MODULE_ID, "td_error"))
    assert np.allclose(figures["td_error"], np.concatenate([np.atleast_1d(e) for e in errors]).ravel(), atol=1e-4)


@pytest.mark.parametrize(("kind", "options"), [("dqn", {}), ("sac", {"tau": 0.1}), ("dqn", {"tau": 0.3})])
def test_updates_and_target_networks_agree_step_by_step(kind, options):
    ours, stock = build_both(kind, target_network_update_freq=10, **options)
    columns = random_columns(False)
    for steps in (5, 11, 15, 25):
        timesteps = {NUM_ENV_STEPS_SAMPLED_LIFETIME: steps}
        ours.update(batch=batch_of(columns), timesteps=timesteps)
        tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
        stock.update(batch=batch_of(tensors), timesteps=timesteps)
    found, wanted = (learner.module[DEFAULT_MODULE_ID].state_dict() for learner in (ours, stock))
    for name, tensor in found.items():
        assert torch.allclose(tensor, wanted[name], rtol=1e-3, atol=2e-5), name
    # All parameters of an optimiser at once.
    assert set(ours.stepper.flat_optimizers) == {name for name, _ in ours.get_optimizers_for_module(DEFAULT_MODULE_ID)}


def test_update_with_several_minibatches_equals_several_updates():
    learner, other = build_learner("sac", ArraySACLearner), build_learner("sac", ArraySACLearner)
    other.module.set_state(learner.module.get_state())
    columns = random_columns(False)
    halves = [{name: values[part] for name, values in columns.items()} for part in (slice(0, 48), slice(48, 96))]
    learner.update(batch=batch_of(columns), minibatch_size=48, timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: 9})
    for half in halves:
        other.update(batch=batch_of(half), timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: 9})
    weights, other_weights = (each.module[DEFAULT_MODULE_ID].state_dict() for each in (learner, other))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_errors_are_returned_in_the_order_of_the_batch():
    config = {"type": "EpisodeReplayBuffer", "prioritised": True}
    ours = build_learner("dqn", ArrayDQNLearner, replay_buffer_config=config, lr=0.0)
    columns = random_columns(False)
    whole = ours.update(batch=batch_of(columns))[DEFAULT_MODULE_ID]["td_error"].peek()
    halves = ours.update(batch=batch_of(columns), minibatch_size=48)[DEFAULT_MODULE_ID]["td_error"].peek()
    assert np.allclose(np.concatenate([np.asarray(p) for p in whole]), np.concatenate([np.asarray(p) for p in halves]))


@pytest.mark.parametrize("kind", ["dqn", "sac"])
def test_update_reports_all_metrics_of_rllib(kind):
    ours, stock = build_both(kind)
    columns, steps = random_columns(False), {NUM_ENV_STEPS_SAMPLED_LIFETIME: 9}
    results = ours.update(batch=batch_of(columns), timesteps=steps)[DEFAULT_MODULE_ID]
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    wanted = stock.update(batch=batch_of(tensors), timesteps=steps)[DEFAULT_MODULE_ID]
    # Errors are reported to prioritised buffers only, and the age of the sampling policy is unknown.
    assert set(wanted) - set(results) <= {"diff_num_grad_updates_vs_sampler_policy", "td_error"}


@pytest.mark.parametrize("kind", ["dqn", "sac"])
def test_restored_learner_takes_the_same_steps(kind):
    ours = build_learner(kind, KINDS[kind][1], target_network_update_freq=10, tau=0.5)
    columns, steps = random_columns(False), {NUM_ENV_STEPS_SAMPLED_LIFETIME: 12}
    ours.update(batch=batch_of(columns), timesteps=steps)
    other = build_learner(kind, KINDS[kind][1], target_network_update_freq=10, tau=0.5)
    other.set_state(ours.get_state())
    for learner in (ours, other):
        learner.update(batch=batch_of(columns), timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: 15})
    weights, other_weights = (learner.module[DEFAULT_MODULE_ID].state_dict() for learner in (ours, other))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    if kind == "sac":
        assert torch.equal(ours.curr_log_alpha[DEFAULT_MODULE_ID], other.curr_log_alpha[DEFAULT_MODULE_ID])


def test_squashed_samples_equal_rllibs():
    inputs, noise = torch.randn(200, 4) * 3, torch.randn(200, 2)
    action, logp = squashed_sample(inputs, noise)
    dist = TorchSquashedGaussian.from_logits(inputs)
    raw = dist.loc + dist._dist.scale * noise
    assert torch.allclose(action, torch.tanh(raw), atol=1e-6)
    assert torch.allclose(logp, dist._squashed_logp(raw), rtol=1e-4, atol=1e-4)
    density = torch.distributions.Normal(dist.loc, dist._dist.scale).log_prob(raw).double()
    exact = (density - torch.log1p(-(torch.tanh(raw.double()) ** 2))).sum(-1)
    near = raw.abs().max(-1).values < 5
    assert torch.allclose(logp.double()[near], exact[near], atol=1e-2)
    assert math.isfinite(float(logp.sum()))


def test_distributional_dqn_is_rejected():
    with pytest.raises(ConfigError, match="rollout=stock"):
        build_learner("dqn", ArrayDQNLearner, num_atoms=11)


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_integer_buffers_are_copied_to_the_target_network(tau):
    ours, _ = build_both("dqn", target_network_update_freq=1, tau=tau)
    module = ours._rl_module
    module.encoder.register_buffer("batches", torch.tensor(7))
    module._target_encoder.register_buffer("batches", torch.tensor(0))
    ours._pair_targets()
    ours._update_targets(10)
    assert int(module._target_encoder.batches) == 7
