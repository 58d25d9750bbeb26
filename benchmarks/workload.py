"""Workload of the benchmark: environment, network, batch, epochs and discount, the same for all implementations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# RLlib imports TensorFlow if it is installed, which adds 5 s to every start.
os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.config.build import resolve
from battery_lab.config.compose import compose
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment.experiment import Experiment, choose_actions

HIDDEN = (128, 128)
# Transitions in the replay buffer, sampled by an untrained policy, before time starts.
FILL = 50 * 1024


@dataclass(frozen=True, kw_only=True)
class Workload:
    """An algorithm at one size.

    Attributes:
        algo: ppo, dqn or sac. SAC has continuous actions, the only ones that Stable-Baselines3 supports; the others
            have three power levels.
        observation: ``window`` with 292 numbers, or ``compact`` with about 70.
        num_envs: environments per env runner.
        fragment: steps per environment in each sampling.
        runners: env runners in separate processes; with 0, the process that learns also samples.
        seed: seed of the trial.
        fill: transitions in the replay buffer before time starts, off-policy only.
    """

    algo: str
    observation: str = "window"
    num_envs: int = 64
    fragment: int = 64
    runners: int = 0
    seed: int = 0
    fill: int = FILL

    @property
    def on_policy(self) -> bool:
        """Whether the algorithm has no replay buffer."""
        return self.algo == "ppo"

    @property
    def overrides(self) -> list[str]:
        """Overrides of the lab's command line."""
        shared = [
            *(f"algo={self.algo}", f"observation={self.observation}", "reward=degradation", "tracking=none"),
            *("market=synthetic", "market.years=2", f"network.hidden={list(HIDDEN)}", "train.env_steps=100000000"),
            *(f"algo.num_envs={self.num_envs}", f"algo.fragment={self.fragment}", f"seed={self.seed}"),
            *(f"algo.num_env_runners={self.runners}", "network.shared_value=true"),
        ]
        if self.on_policy:
            return [*shared, "algo.epochs=4", "algo.minibatch=1024", "algo.min_batches=0"]
        replay = [f"algo.learning_starts={self.fill}", "algo.replay.capacity=300000", "algo.iteration_steps=1024"]
        # Stable-Baselines3 has neither double nor dueling Q-learning, and all must do the same work.
        plain = ["algo.double=false", "algo.dueling=false"] if self.algo == "dqn" else ["env.actions=continuous"]
        return [*shared, "algo.batch=1024", "algo.training_intensity=16", *replay, *plain]

    @cached_property
    def options(self) -> dict[str, Any]:
        """The algorithm's options as the lab composes them; the other implementations use the same values."""
        return dict(resolve(compose(self.overrides))["algo"])

    @property
    def updates(self) -> int:
        """Gradient steps per sampling, off-policy only."""
        sampled = self.fragment * self.num_envs
        return max(1, round(self.options["training_intensity"] * sampled / self.options["batch"]))

    def experiment(self, *overrides: str) -> Experiment:
        """Build the lab's experiment with further overrides."""
        experiment: Experiment = build_experiment(compose([*self.overrides, *overrides]))
        return experiment

    @cached_property
    def source(self) -> WorldSource:
        """The source of the environments, the same for all implementations."""
        experiment = self.experiment()
        return WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))

    def vector_env(self) -> Any:
        """Return the lab's vector environment."""
        return self.source.vector_env(self.num_envs, self.seed)
