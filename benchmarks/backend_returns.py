"""Backend returns: the return of a policy that a backend trained for a budget, on CartPole-v1 or on the battery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.config.compose import compose
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment.experiment import Experiment, choose_actions
from battery_lab.policies.policy import Policy
from benchmarks.cartpole_source import CartPole, CartPoleSource
from benchmarks.peers.lab import training, with_private_cache

EPISODES = 100


def returns(
    algo: str, overrides: Sequence[str], backend: str, seed: int, env_steps: int, cartpole: bool
) -> tuple[float, float]:
    """Train a policy and return its returns at half of the budget and at its end.

    Args:
        algo: the algorithm.
        overrides: further overrides of the command line.
        backend: ``array`` or ``stock``.
        seed: seed of the trial.
        env_steps: the budget.
        cartpole: whether to train on CartPole-v1 instead of the battery.
    """
    shared = [f"algo={algo}", "tracking=none", "market.years=2", f"seed={seed}", f"train.env_steps={env_steps}"]
    # Budgets are small, and part of the learning must use the compiled program.
    early = [f"rollout.{name}=500" for name in ("compile_after", "compile_after_off_policy") if backend == "array"]
    experiment: Experiment = build_experiment(
        compose([*shared, *overrides, *with_private_cache([f"rollout={backend}"]), *early])
    )
    source: Any = CartPoleSource() if cartpole else _battery(experiment)
    learner: Any = experiment.build_learner(source)
    steps, results = training(learner.algorithm), []
    for target in (env_steps / 2, env_steps):
        next(count for count in steps if count >= target)
        policy = learner.policy(env_steps=0)
        results.append(_cartpole_return(policy) if cartpole else _profit(source, policy))
    learner.stop()
    return results[0], results[1]


def _battery(experiment: Experiment) -> WorldSource:
    return WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))


def _profit(source: WorldSource, policy: Policy) -> float:
    return float(source.open().evaluate(policy, "validation").metrics["profit_per_day"])


def _cartpole_return(policy: Policy) -> float:
    """Return the mean return of the first episode of each of 100 environments."""
    env = CartPole(EPISODES, 10**6)
    observation, _ = env.reset()
    running, total = np.ones(EPISODES, bool), np.zeros(EPISODES)
    while running.any():
        observation, reward, terminated, truncated, _ = env.step(policy(np.asarray(observation, np.float32)))
        total += np.where(running, reward, 0.0)
        running &= ~(terminated | truncated)
    return float(total.mean())
