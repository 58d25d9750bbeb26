"""Two learners in separate processes: they train as one, and a resumed run ends like an uninterrupted one."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import ray
import torch
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from rich.console import Console
from safetensors.numpy import load_file

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.experiment import checkpoint, final_evaluation
from battery_lab.experiment.trainer import Trainer
from tests.compositions import same_arrays, small
from tests.experiment.run_interruption_and_comparison import learned
from tests.rllib.remote_training import PPO, replayed, scripted, train
from tests.rllib.small_configs import configured

SHORT = ("train.env_steps=1024", "train.checkpoint_every=512")
# SAC with continuous actions draws random numbers in the learner, which a resumed run must repeat.
CHOSEN = {"ppo": ("algo.num_learners=2",), "sac": ("algo.num_learners=2", "env.actions=continuous")}


@pytest.fixture(scope="module", autouse=True)
def stop_ray():
    yield
    ray.shutdown()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs or resumes a trial."""
    monkeypatch.setattr(final_evaluation, "write_results_page", lambda *args, **kwargs: None)

    def running(algo, resume=False):
        experiment = build_experiment(small(tmp_path, algo, *SHORT, *CHOSEN[algo]))
        (tmp_path / algo).mkdir(exist_ok=True)
        return experiment.run(tmp_path / algo, resume=resume, console=Console(file=open(os.devnull, "w")))  # noqa: SIM115

    return running


@pytest.mark.walk
@pytest.mark.parametrize("algo", CHOSEN)
def test_two_learners_stay_equal_and_are_both_restored(algo, run, tmp_path, monkeypatch):
    folder, train, seen = tmp_path / algo, Trainer.run, []

    def training(self):
        seen.append(weights(self.learner.algorithm))
        train(self)
        seen.append(weights(self.learner.algorithm))
        actor = self.learner.algorithm.env_runner.module.get_state()
        assert actor and same_arrays(actor, {name: seen[-1][0][name] for name in actor})
        self.learner.restore(checkpoint.list_checkpoints(folder / "checkpoints")[0])
        seen.append(weights(self.learner.algorithm))

    monkeypatch.setattr(Trainer, "run", training)
    metrics = run(algo)
    assert metrics["train/env_steps"] >= 1024
    assert metrics["test/capture"] < 1
    for first, second in seen:
        assert same_arrays(first, second)
    assert same_arrays(seen[1][0], learned(folder))
    assert not any(same_arrays(seen[k][0], seen[k - 1][0]) for k in range(3))


def weights(algorithm):
    """Return the networks of each learner."""
    each = algorithm.learner_group.foreach_learner(lambda learner: learner.module["default_policy"].get_state())
    return [one.get() for one in each]


@pytest.mark.slow
@pytest.mark.parametrize("algo", CHOSEN)
def test_resumed_run_with_two_learners_ends_alike(algo, run, tmp_path):
    folder = tmp_path / algo
    run(algo)
    end, kept = learned(folder), load_file(folder / "policy" / "weights.safetensors")
    shutil.rmtree(checkpoint.list_checkpoints(folder / "checkpoints")[-1])
    run(algo, resume=True)
    assert same_arrays(end, learned(folder))
    again = load_file(folder / "policy" / "weights.safetensors")
    assert all(np.array_equal(kept[name], again[name]) for name in kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [PPOConfig().training(**PPO), DQNConfig().training(**replayed())], ids=["ppo", "dqn"]
)
def test_two_learners_share_their_gradients(config, own_ray):
    results, weights, _ = train(config, rounds=3, learners=2)
    assert all(np.isfinite(values).all() for values in weights.values())
    assert np.isfinite(results[-1]["learners"]["default_policy"]["total_loss"])


@pytest.mark.slow
def test_td_errors_of_two_learners_return_to_their_transitions(own_ray):
    config = configured(DQNConfig().training(**replayed() | {"lr": 0.0}), scripted).learners(num_learners=2)
    algorithm = config.build_algo()
    memory, samples, updates = algorithm.local_replay_buffer, [], []
    sample, update = memory.sample, memory.update_priorities

    def recorded(count):
        columns = sample(count)
        samples.append({name: torch.from_numpy(values.copy()) for name, values in columns.items()})
        return columns

    memory.sample = recorded
    memory.update_priorities = lambda errors: (updates.append(np.array(errors)), update(errors))
    for _ in range(3):
        algorithm.training_step()

    def errors(learner):
        # With a learning rate of 0, the networks have not changed since the step.
        return learner.loss_function()(learner._rl_module, samples[-1], learner.coefficients())[1]["td_error"].numpy()

    expected = next(iter(algorithm.learner_group.foreach_learner(errors))).get()
    algorithm.stop()
    assert len(np.unique(np.round(expected, 4))) > 32
    assert np.allclose(updates[-1], expected, atol=1e-4)
