"""Environment interfaces: what an environment provides to training, evaluation, reports and remote jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.layout import Layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ActionKind = Literal["discrete", "continuous"]


@dataclass(frozen=True, kw_only=True)
class ActionMeaning:
    """The physical meaning of a policy's actions, for users of a policy that do not have its environment.

    Attributes:
        names: the requested quantities, with their units, for instance ``request_mw``: one per number of a continuous
            action.
        values: for each quantity, what each discrete action requests, in order; or what -1 and 1 request.
        squash: between -1 and 1, a quantity q is linear in asinh(q / ``squash``); 0 means linear in q.
        is_increasing: whether no quantity is below the one before it. If the numbers of a continuous action are, each
            is replaced by the mean of all.
    """

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    squash: float = 0.0
    is_increasing: bool = False


class Actor(Protocol):
    """A deterministic policy as a function."""

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return (N,) discrete or (N, K) continuous actions for (N, D) observations."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A plot with title and caption.

    Attributes:
        title: the heading.
        caption: how to read the plot.
        draw: draws on an empty figure. Black and white become the ink and paper colours of the page, light or dark.
        size: width and height, inches.
    """

    title: str
    caption: str
    draw: Callable[[Figure], None]
    size: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of an environment, as progress lines and reports show it.

    Attributes:
        name: key in ``Evaluation.metrics``, for instance ``profit_per_day``.
        label: heading of its column, for instance ``profit``.
        unit: its unit, for instance ``AUD/day``; empty for a plain number.
    """

    name: str
    label: str
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of one policy over one period.

    Attributes:
        metrics: values by metric name, for instance ``profit_per_day``.
        frame: the course of the period, one row per step.
    """

    metrics: Mapping[str, float]
    frame: pd.DataFrame


@runtime_checkable
class TrainingVectorEnv(Protocol):
    """A ``gymnasium.vector.VectorEnv`` that training can log and checkpoint.

    Besides gymnasium's interface, training needs the three methods below. For ``rollout=array``, ``metadata`` must
    also name ``AutoresetMode.NEXT_STEP`` and observations must be a ``Box``. ``step`` must return new arrays, as
    training keeps them.
    """

    metadata: dict[str, Any]
    num_envs: int
    single_observation_space: gym.Space[Any]
    single_action_space: gym.Space[Any]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start all episodes; see gymnasium."""

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every environment by one step; see gymnasium."""

    def take_log(self) -> dict[str, float]:
        """Return means since the previous call and start a new account.

        Keys are ``train/<metric>`` for metrics of ``World.metrics``, ``train/reward_mean`` and, optionally,
        ``reward_terms/<term>``. They appear in the run's curves under these names.
        """

    def get_state(self) -> dict[str, Any]:
        """Return the complete state, generators included, as objects that can be pickled."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state from ``get_state``, so that all further steps are the same as without the interruption."""


class World(Protocol):
    """An environment with its data loaded.

    What only some worlds offer is a protocol of its own: ``LabelledWorld``, ``NotedWorld`` and ``RecommendingWorld``
    here, and in other modules ``PriceTaker``, ``BiddingWorld`` (``bidding_interface.py``) and ``AuditableWorld``
    (``audit_interface.py``). A world with its members is one of these.

    Attributes:
        metrics: the metrics of an evaluation, in the order in which reports show them.
        score: name of the metric that ranks policies; larger is better.
        optimum: name of the baseline that no policy can beat; ``capture`` is a policy's share of its score.
        rule: name of the baseline that ``lift_over_rule`` compares with.
        layout: names and places of the numbers in an observation.
        action: the meaning of the actions.
        digest: a hash of the data and of their split by time.
    """

    metrics: Sequence[Metric]
    score: str
    optimum: str
    rule: str
    layout: Layout
    action: ActionMeaning
    digest: str

    def vector_env(self, num_envs: int, seed: int) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Make a ``TrainingVectorEnv`` on the training period."""

    def evaluate(self, actor: Actor, period: str) -> Evaluation:
        """Run a policy once through a period, ``validation`` or ``test``, in order."""

    def baselines(self, period: str) -> dict[str, Evaluation]:
        """Evaluate the environment's baselines over a period, by name; ``optimum`` and ``rule`` are among them."""

    def panels(self, frame: pd.DataFrame, baselines: Mapping[str, Evaluation]) -> Sequence[Panel]:
        """Return the report's plots of one policy over a period."""

    def summary(self) -> Mapping[str, str]:
        """Return facts about the world for the head of a report, by label."""

    def observation_state(self) -> Mapping[str, Any]:
        """Return what was fitted on the training period and a stored policy needs, as JSON."""


@runtime_checkable
class LabelledWorld(Protocol):
    """A world that says what its policies know when they act, so that captures can be compared.

    Attributes:
        known: a short text that stands beside captures, such as ``price known``.
        known_code: its number in ``metrics.json``.
    """

    @property
    def known(self) -> str: ...

    @property
    def known_code(self) -> int: ...


@runtime_checkable
class NotedWorld(Protocol):
    """A world that says what is missing or looks wrong in its data."""

    def data_counts(self) -> Mapping[str, float]:
        """Return numbers for ``metrics.json``, such as ``test/filled_intervals``, by name; zeros included."""

    def data_notes(self) -> Sequence[str]:
        """Return sentences that stand below the table of policies; none if nothing is missing."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe of the lab that suits an environment, for reports of policies that were trained otherwise.

    Attributes:
        override: chooses it, such as ``experiment=flagship``.
        algo: the option of ``conf/algo`` that it uses.
        words: what it does, in a few words.
    """

    override: str
    algo: str
    words: str


@runtime_checkable
class RecommendingWorld(Protocol):
    """A world that knows the recipe that earns most in it."""

    @property
    def recipe(self) -> Recipe: ...


class Environment(Protocol):
    """An option of ``conf/env``: parameters only; ``open`` loads the data.

    The class attributes are read from the class itself, before any data are loaded; a class that leaves one out has
    none of its kind.

    Attributes:
        metric_names: names of ``World.metrics``, which remote jobs report while they run.
        evaluation_overrides: configuration keys that an evaluation of a stored policy may change; a key includes all
            keys below it.
        data_paths: configuration keys that name data files or folders, which travel with a remote job.
    """

    metric_names: ClassVar[tuple[str, ...]] = ()
    evaluation_overrides: ClassVar[tuple[str, ...]] = ()
    data_paths: ClassVar[tuple[str, ...]] = ()

    @property
    def offers(self) -> Sequence[str]:
        """The kinds of actions that it accepts, ``discrete`` or ``continuous``, the preferred one first."""

    def open(self, actions: str, observation_state: Mapping[str, Any] | None = None) -> World:
        """Load the data and fit what is fitted on the training period.

        Args:
            actions: one of ``offers``.
            observation_state: a state from ``World.observation_state``, used instead of a new fit.
        """


def known_when(world: object) -> tuple[str, float]:
    """Return what a world's policies know when they act, as a text and as a number; "" and NaN if it does not say."""
    return (world.known, float(world.known_code)) if isinstance(world, LabelledWorld) else ("", float("nan"))


def score_metric(world: World) -> Metric:
    """Return the metric that ranks policies."""
    return next(metric for metric in world.metrics if metric.name == world.score)
