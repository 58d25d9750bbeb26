"""What an environment offers to the rest of the lab, which knows of no battery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.layout import Layout

if TYPE_CHECKING:
    from battery_lab.report import Panel


@dataclass(frozen=True, kw_only=True)
class ActionMeaning:
    """What the actions of a policy ask for, for those who have a policy and not its environment.

    Attributes:
        name: of what is asked for, with its unit, for instance ``request_mw``.
        values: what each discrete action asks for, in order; or what the continuous actions -1 and 1 do.
    """

    name: str
    values: tuple[float, ...]


class Actor(Protocol):
    """A policy as a function: the same observation always gives the same action."""

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return (N,) discrete or (N, 1) continuous actions for (N, D) observations."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One policy over one period, by the environment's own accounts.

    Attributes:
        metrics: by the environment's names, for instance ``profit_per_day``.
        frame: what happened, a row an interval.
    """

    metrics: Mapping[str, float]
    frame: pd.DataFrame


class World(Protocol):
    """An environment with its data at hand.

    Attributes:
        score: the metric that policies are ranked by, larger is better.
        optimum: the name of the baseline that no policy can beat.
        rule: the name of the baseline that ``lift_over_rule`` is measured against.
        unit: what the score is counted in.
        layout: what stands where in an observation.
        action: what actions ask for.
        digest: a hash of the data and their split.
    """

    score: str
    optimum: str
    rule: str
    unit: str
    layout: Layout
    action: ActionMeaning
    digest: str

    def vector_env(self, num_envs: int, seed: int) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Make an environment for training time."""

    def evaluate(self, actor: Actor, period: str) -> Evaluation:
        """Run a policy once through a period, in order."""

    def baselines(self, period: str) -> dict[str, Evaluation]:
        """Judge the environment's own policies over a period."""

    def panels(self, frame: pd.DataFrame, baselines: Mapping[str, Evaluation]) -> Sequence[Panel]:
        """Return the report's pictures of one policy over a period."""

    def summary(self) -> Mapping[str, str]:
        """Return what a reader of a report should know of the world, by label."""

    def observation_state(self) -> Mapping[str, Any]:
        """Return what was fitted on training time and a stored policy needs, as JSON."""


class Environment(Protocol):
    """A choice of conf/env: parameters only; ``open`` brings the data.

    Attributes:
        offers: the kinds of actions it can take, the preferred one first.
    """

    @property
    def offers(self) -> Sequence[str]:
        """``discrete``, ``continuous`` or both."""

    def open(self, actions: str, observation_state: Mapping[str, Any] | None = None) -> World:
        """Load the data and fit what is fitted on training time.

        Args:
            actions: one of ``offers``.
            observation_state: what an earlier world fitted, to be used in place of a new fit.
        """
