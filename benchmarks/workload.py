"""What every side of the benchmark is given to do: the same environment, network, batch, epochs and discount."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# RLlib imports TensorFlow where that is installed, which costs 5 s of every start.
os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.config.build import resolve
from battery_lab.config.compose import compose
from battery_lab.envs.loader import WorldSource
from battery_lab.experiment.experiment import Experiment, choose_actions

HIDDEN = (128, 128)
# Transitions in the replay memory, drawn with an untrained policy, before time is taken.
FILL = 50 * 1024


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One algorithm at one size.

    Attributes:
        algo: ppo, dqn or sac; sac has continuous actions, which is all that Stable-Baselines3 offers, the others
            three levels of power.
        observation: ``window``, 292 numbers, or ``compact``, about 70.
        num_envs: environments a runner.
        fragment: steps of each environment a sampling.
        runners: remote runners; 0 samples in the process that learns.
        seed: of the trial.
        fill: off-policy only: transitions in memory before time is taken.
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
        """Whether there is no replay memory."""
        return self.algo == "ppo"

    @property
    def overrides(self) -> list[str]:
        """The choices, as on the lab's command line."""
        shared = [
            *(f"algo={self.algo}", f"observation={self.observation}", "reward=degradation", "tracking=none"),
            *("market=synthetic", "market.years=2", f"network.hidden={list(HIDDEN)}", "train.env_steps=100000000"),
            *(f"algo.num_envs={self.num_envs}", f"algo.fragment={self.fragment}", f"seed={self.seed}"),
            *(f"algo.num_env_runners={self.runners}", "network.shared_value=true"),
        ]
        if self.on_policy:
            return [*shared, "algo.epochs=4", "algo.minibatch=1024"]
        replay = [f"algo.learning_starts={self.fill}", "algo.replay.capacity=300000", "algo.iteration_steps=1024"]
        # Stable-Baselines3 has neither double nor dueling Q-learning: nobody is to do more work than it.
        plain = ["algo.double=false", "algo.dueling=false"] if self.algo == "dqn" else ["env.actions=continuous"]
        return [*shared, "algo.batch=1024", "algo.training_intensity=16", *replay, *plain]

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options of the algorithm as the lab composes them, for the peers to take theirs from."""
        return dict(resolve(compose(self.overrides))["algo"])

    @property
    def updates(self) -> int:
        """Off-policy only: gradient steps a sampling."""
        sampled = self.fragment * self.num_envs
        return max(1, round(self.options["training_intensity"] * sampled / self.options["batch"]))

    def experiment(self, *choices: str) -> Experiment:
        """Build the lab's own experiment, with further choices."""
        experiment: Experiment = build_experiment(compose([*self.overrides, *choices]))
        return experiment

    @cached_property
    def source(self) -> WorldSource:
        """The environment, the same for all sides."""
        experiment = self.experiment()
        return WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))

    def vector_env(self) -> Any:
        """Return the lab's vector environment."""
        return self.source.vector_env(self.num_envs, self.seed)
