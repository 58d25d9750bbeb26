"""The PPO learner on arrays: its batches, losses and steps equal those of RLlib's learner on the same episodes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.utils.torch_utils import explained_variance

from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner, PPOLoss, standardise
from battery_lab.rllib.threads_and_malloc import keep_freed_memory
from tests.rllib.learners.learner_gradients import gradients_of
from tests.rllib.learners.ppo_learners import ADVANTAGES, TARGETS, build_both, build_learner, parameters_of
from tests.rllib.rllib_episodes import episodes_of
from tests.rllib.small_configs import configured

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def stock_batch(stock, fragment):
    """Return RLlib's columns for the same transitions, and a mask of the rows that are transitions."""
    batch = stock._make_batch_if_necessary(TrainingData(episodes=episodes_of(fragment)))
    columns = batch.policy_batches[DEFAULT_MODULE_ID]
    return columns, columns[Columns.LOSS_MASK]


def order_of(columns):
    """Return an order by environment, episode and step, which the observations contain."""
    obs = np.asarray(columns[Columns.OBS])
    return np.lexsort(obs.T[::-1])


@pytest.mark.parametrize("box", [False, True])
def test_value_targets_and_advantages_agree(box):
    ours, stock, fragment = build_both(box)
    columns = ours.tensors(TrainingData(episodes=[fragment]))
    theirs, mask = stock_batch(stock, fragment)
    theirs = {name: values[mask] for name, values in theirs.items()}
    order, wanted_order = order_of(columns), order_of(theirs)
    assert len(order) == len(wanted_order) == len(fragment)
    for name in (Columns.OBS, Columns.ACTIONS, Columns.ACTION_LOGP, Columns.ACTION_DIST_INPUTS, TARGETS):
        assert np.allclose(columns[name][order], theirs[name][wanted_order], rtol=1e-5, atol=1e-5), name
    # RLlib also includes rows without a transition, which shifts and scales all advantages alike.
    values = stock.module[DEFAULT_MODULE_ID].compute_values(theirs).detach()
    raw = (theirs[TARGETS] - values).numpy()
    assert np.allclose(columns[ADVANTAGES][order], standardise(raw)[wanted_order], atol=1e-4)
    assert np.corrcoef(columns[ADVANTAGES][order], theirs[ADVANTAGES][wanted_order])[0, 1] > 1 - 1e-6


@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"use_kl_loss": False}, {"use_critic": False}, {"vf_clip_param": 0.5, "clip_param": 0.01}],
    ids=["all", "no_kl", "no_critic", "clipped"],
)
def test_losses_and_gradients_agree(box, options):
    ours, stock, fragment = build_both(box, **options)
    minibatch = {name: values[:64] for name, values in ours.tensors(TrainingData(episodes=[fragment])).items()}
    with torch.no_grad():
        for module in (ours.module, stock.module):
            torch.manual_seed(0)
            for parameter in module[DEFAULT_MODULE_ID].parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    figures = gradients_of(ours, minibatch)
    batch = {DEFAULT_MODULE_ID: {**minibatch, Columns.ACTION_DIST_INPUTS: _inputs(minibatch, box)}}
    losses = stock.compute_losses(fwd_out=stock.module.forward_train(batch), batch=batch)
    wanted = stock.compute_gradients(losses)
    assert float(figures["total_loss"]) == pytest.approx(float(losses[DEFAULT_MODULE_ID].detach()), rel=1e-5)
    named = dict(stock.module[DEFAULT_MODULE_ID].named_parameters())
    for name, parameter in ours.module[DEFAULT_MODULE_ID].named_parameters():
        theirs = wanted[named[name]]
        assert (parameter.grad is None) == (theirs is None), name
        if theirs is not None:
            assert torch.allclose(parameter.grad, theirs, rtol=1e-4, atol=1e-6), name
    of_values = {"vf_loss", "vf_loss_unclipped", "vf_explained_var"} if options.get("use_critic", True) else set()
    of_kl = {"mean_kl_loss"} if options.get("use_kl_loss", True) else set()
    assert set(figures) == {"total_loss", "policy_loss", "entropy"} | of_values | of_kl
    for name in figures.keys() - {"total_loss"}:
        logged = float(stock.metrics.peek((DEFAULT_MODULE_ID, name)))
        assert float(figures[name]) == pytest.approx(logged, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("targets", [[2.0, 2.0, 2.0], [1.0, 1.1, 0.9], [0.0, 5.0, 9.0]])
def test_explained_variance_equals_rllibs_even_for_constant_targets(targets):
    values, targets = torch.tensor([0.0, 4.0, 8.0]), torch.tensor(targets)
    losses = PPOLoss(clip=0.2, value_clip=10.0, value_coeff=1.0, critic=True, kl=False)
    explained = losses.value_loss(values, targets)[1]["vf_explained_var"]
    assert float(explained) == pytest.approx(float(explained_variance(targets, values)))


def _inputs(minibatch, box):
    """Return distribution inputs, which RLlib's learner also reads without the KL term."""
    missing = torch.zeros(len(minibatch[Columns.OBS]), 2 if box else 3)
    return minibatch.get(Columns.ACTION_DIST_INPUTS, missing)


@pytest.mark.parametrize("method", ["global_norm", "norm", "value"])
def test_steps_agree_for_each_clipping_method(method):
    limit = {"grad_clip": 0.05, "grad_clip_by": method, "lr": 1e-2}
    ours, stock, fragment = build_both(**limit)
    minibatch = ours.tensors(TrainingData(episodes=[fragment]))
    batch = {DEFAULT_MODULE_ID: minibatch}
    for _ in range(3):
        ours.step(minibatch, {})
        stock._update(batch)
    for parameter, wanted in zip(parameters_of(ours), parameters_of(stock), strict=True):
        assert torch.allclose(parameter, wanted, rtol=1e-3, atol=1e-5)


def test_update_changes_schedules_and_coefficients_as_rllib_does():
    schedule = {"lr": [[0, 1e-3], [1000, 1e-5]], "entropy_coeff": [[0, 0.1], [1000, 0.0]], "kl_target": 1e-9}
    ours, stock, fragment = build_both(**schedule)
    steps = {"num_env_steps_sampled_lifetime": 500}
    minibatches = {"num_epochs": 3, "minibatch_size": 50, "shuffle_batch_per_epoch": True, "timesteps": steps}
    results = ours.update(episodes=[copy.deepcopy(fragment)], **minibatches)[DEFAULT_MODULE_ID]
    wanted = stock.update(episodes=episodes_of(fragment), **minibatches)[DEFAULT_MODULE_ID]
    for name in ("default_optimizer_learning_rate", "curr_entropy_coeff", "curr_kl_coeff"):
        assert float(results[name].peek()) == pytest.approx(float(wanted[name].peek())), name
    assert float(results["curr_kl_coeff"].peek()) == pytest.approx(0.45)
    missing = set(wanted) - set(results) - {"diff_num_grad_updates_vs_sampler_policy"}
    assert not missing


def test_several_learners_average_their_gradients(monkeypatch):
    ours, stock, fragment = build_both()
    minibatch = {name: values[:64] for name, values in ours.tensors(TrainingData(episodes=[fragment])).items()}
    gradients_of(ours, minibatch)
    named = {name: p for name, p in ours._rl_module.named_parameters() if p.grad is not None}
    wanted = {name: 3 * parameter.grad / 2 for name, parameter in named.items()}
    # The other learner has gradients twice as large.
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: flat.add_(2 * flat))
    ours.config = ours.config.copy(copy_frozen=False).learners(num_learners=2)
    ours._average_gradients()
    assert len(named) > 4 and all(float(parameter.grad.abs().max()) > 0 for parameter in named.values())
    assert all(torch.allclose(parameter.grad, wanted[name]) for name, parameter in named.items())


def test_one_kernel_call_updates_all_parameters():
    ours, _, fragment = build_both()
    ours.update(episodes=[fragment])
    assert set(ours.stepper.flat_optimizers) == {"default_optimizer"}


def test_several_fragments_form_one_batch():
    ours, fragment = build_learner(ArrayPPOLearner)
    once = ours.tensors(TrainingData(episodes=[fragment]))
    parts = [fragment[:70], fragment.slice(slice(70, None))]
    twice = ours.tensors(TrainingData(episodes=parts))
    assert torch.equal(once[Columns.OBS], twice[Columns.OBS])
    assert not torch.equal(once[TARGETS], twice[TARGETS])


def test_runner_acts_with_the_learned_weights():
    algorithm = configured(PPOConfig().training(minibatch_size=64, train_batch_size_per_learner=128)).build_algo()
    first = {name: values.clone() for name, values in algorithm.env_runner.module.state_dict().items()}
    algorithm.train()
    learned = algorithm.learner_group._learner.module[DEFAULT_MODULE_ID].state_dict()
    acting = algorithm.env_runner.module.state_dict()
    assert all(torch.equal(acting[name], learned[name]) for name in acting)
    assert not all(torch.equal(acting[name], first[name]) for name in acting)
    algorithm.stop()


def test_update_uses_the_threads_of_its_steps_and_restores_them(monkeypatch):
    before_build = keep_freed_memory.cache_info()
    learner, fragment = build_learner(ArrayPPOLearner)
    after_build = keep_freed_memory.cache_info()
    assert (
        after_build.hits + after_build.misses == before_build.hits + before_build.misses + 2
    )  # By runner and learner.
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(learner.stepper, "threads", lambda number: before + 1 + number)
    step = learner.step
    monkeypatch.setattr(learner, "step", lambda *arguments: (seen.append(torch.get_num_threads()), step(*arguments))[1])
    for _ in range(2):
        learner.update(episodes=[fragment], minibatch_size=len(fragment) // 2, num_epochs=1)
    assert seen == [before + 1] * 2 + [before + 3] * 2
    assert torch.get_num_threads() == before
