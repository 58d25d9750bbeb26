"""Algorithm interfaces: an algorithm builds a learner, which the trainer trains, saves and asks for its policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gymnasium as gym

from battery_lab.envs.bidding_interface import BiddingProblem
from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.networks.network import Network
from battery_lab.policies.policy import Policy

if TYPE_CHECKING:
    from battery_lab.rllib.rollout_backends import Backend


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The trial that an algorithm builds a learner for.

    Attributes:
        make_env: builds a vector environment from ``(num_envs, seed)``.
        layout: names and places of the numbers in an observation.
        actions: the kind of actions, one of the algorithm's ``action_kinds``.
        action: the meaning of the actions.
        observation_state: state fitted on the training period, as JSON; stored with the policy.
        network: network of the policy and the value function.
        rollout: backend that moves data between environments, replay buffer and learner, for algorithms on RLlib.
        seed: seed of the trial.
        env_steps: budget in environment steps; schedules span it.
        bidding_problem: returns the training period on a grid of (levels, knots), if actions do not change prices.
    """

    make_env: Callable[[int, int], gym.vector.VectorEnv[Any, Any, Any]]
    layout: Layout
    actions: str
    action: ActionMeaning
    observation_state: Mapping[str, Any]
    network: Network
    rollout: Backend
    seed: int
    env_steps: int
    bidding_problem: Callable[[int, int], BiddingProblem] | None = None

    @cached_property
    def action_space(self) -> gym.Space[Any]:
        """Action space of one environment."""
        return self.make_env(1, self.seed).single_action_space

    def check_env(self) -> None:
        """Make an environment, which raises ConfigError if it lacks a method that training needs."""
        _ = self.action_space


class Iteration(NamedTuple):
    """The result of one training iteration.

    Attributes:
        env_steps: environment steps since training began, over all runs that were resumed.
        metrics: metrics of environment and learner, such as ``train/profit_per_day`` and ``learner/total_loss``.
    """

    env_steps: int
    metrics: dict[str, float]


class Learner(Protocol):
    """Trains a policy, iteration by iteration. Two learners with equal setups and states give equal results."""

    def is_waiting(self) -> bool:
        """Return whether the next iteration would wait for work in the background; a stop would lose the iteration."""

    def train(self) -> Iteration:
        """Train for one iteration."""

    def policy(self, env_steps: int) -> Policy:
        """Return a copy of the current policy.

        Args:
            env_steps: environment steps so far, which are stored with it.
        """

    def save(self, folder: Path, previous: Path | None) -> None:
        """Write the complete state to the folder of a checkpoint.

        Args:
            folder: the folder, which exists.
            previous: the folder of the checkpoint before, whose files may be hard-linked if they are equal.
        """

    def restore(self, folder: Path) -> None:
        """Restore a state from ``save``, so that all further iterations equal those of an uninterrupted run."""

    def stop(self) -> None:
        """End all processes and free all resources."""


class Algo(Protocol):
    """An option of conf/algo."""

    @property
    def action_kinds(self) -> Sequence[str]:
        """Kinds of actions that it can learn: ``discrete``, ``continuous`` or both."""

    def learner(self, setup: Setup) -> Learner:
        """Return a learner that is ready to train."""
