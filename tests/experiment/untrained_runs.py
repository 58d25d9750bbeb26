"""Untrained runs: run folders with a policy that was never trained, which take no time to make."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.common.run_folder import RunFolder
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment.experiment import Experiment, choose_actions
from battery_lab.policies.policy import Policy, PolicyNetwork
from tests.compositions import small, store

DECISIONS = {"ppo": "clipped_mean", "sac": "tanh_mean", "dqn": "argmax"}


def untrained_run(folder: Path, algo: str, *overrides: str, seed: int = 0) -> Experiment:
    """Write the trial and a random policy of an algorithm to a folder, and return the experiment."""
    config = small(folder.parent / f"data_{folder.name}", algo, *overrides)
    folder.mkdir(parents=True, exist_ok=True)
    store(config, folder)
    experiment = build_experiment(config)
    save_untrained(experiment, folder, algo, seed)
    return experiment


def save_untrained(experiment: Experiment, folder: Path, algo: str, seed: int = 0) -> None:
    """Write a random policy of an experiment to a run folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = _curves(experiment) if algo == "bid_curves" else _policy(experiment, DECISIONS[algo])
        nn.init.normal_(policy.network.head.weight)
    policy.save(RunFolder(folder).policy)


def _source(experiment: Experiment) -> WorldSource:
    return WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))


def _curves(experiment: Experiment) -> Policy:
    learner = experiment.build_learner(_source(experiment))
    try:
        return learner.policy(0)
    finally:
        learner.stop()


def _policy(experiment: Experiment, decision: str) -> Policy:
    source = _source(experiment)
    world, network = source.open(), experiment.network
    outputs = len(world.action.values[0]) if source.actions == "discrete" else len(world.action.names)
    return Policy(
        network=PolicyNetwork(network.encoder(world.layout), network.out_features, outputs),
        decision="argmax" if source.actions == "discrete" else decision,
        actions=source.actions,
        layout=world.layout,
        action=world.action,
        observation_state=world.observation_state(),
        env_steps=0,
    )
