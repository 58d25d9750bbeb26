"""Inventory: one product in stock, ordered each day before the day's demand is known.

A complete environment in one file, written outside the lab. The observation is the stock and the
demand of the day before; an action orders 0, 5 or 10 units; the reward is sales less the cost of the order.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import gymnasium as gym
import numpy as np
import pandas as pd
from gymnasium.vector import AutoresetMode
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.validated_options import options
from battery_lab.envs.interfaces import ActionMeaning, Actor, Evaluation, Metric
from battery_lab.envs.layout import Layout
from battery_lab.report import Panel

Array = NDArray[np.float64]
ORDERS, SHELF, EPISODE = np.array([0.0, 5.0, 10.0]), 20.0, 30


class InventoryVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """N shelves on random stretches of the demand."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, demand: Array, margins: tuple[float, float], num_envs: int, seed: int) -> None:
        """Take the demand of the training period and the (price, cost) of a unit."""
        self.num_envs, self._demand, self._margins = num_envs, demand, margins
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.single_action_space = gym.spaces.Discrete(len(ORDERS))
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self._rng, self._profit, self._days = np.random.default_rng(seed), 0.0, 0
        self._day = self._age = np.zeros(num_envs, np.int64)
        self._stock = np.zeros(num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start on random days with random stocks."""
        self._rng = self._rng if seed is None else np.random.default_rng(seed)
        self._begin(np.ones(self.num_envs, bool))
        return observe(self._stock, self._demand, self._day), {}

    def step(self, actions: NDArray[np.int64]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Order and sell for one day; a shelf whose episode has ended starts another one instead."""
        ended = self._age >= EPISODE
        after, profit = trade(self._stock, ORDERS[actions], self._demand[self._day], *self._margins)
        reward = np.where(ended, 0.0, profit)
        self._stock, self._day, self._age = np.where(ended, self._stock, after), self._day + ~ended, self._age + 1
        self._profit, self._days = self._profit + reward.sum(), self._days + int((~ended).sum())
        self._begin(ended)
        observation = observe(self._stock, self._demand, self._day)
        return observation, reward / 100, np.zeros(self.num_envs, bool), self._age >= EPISODE, {}

    def _begin(self, which: NDArray[np.bool_]) -> None:
        self._age = np.where(which, 0, self._age)
        self._day = np.where(which, self._rng.integers(1, len(self._demand) - EPISODE, self.num_envs), self._day)
        self._stock = np.where(which, self._rng.uniform(0, SHELF, self.num_envs), self._stock)

    def take_log(self) -> dict[str, float]:
        """Return the mean profit per day since the previous call."""
        profit, self._profit, days, self._days = self._profit, 0.0, max(self._days, 1), 0
        return {"train/profit_per_day": profit / days, "train/reward_mean": profit / days / 100}

    def get_state(self) -> dict[str, Any]:
        """Return the complete state."""
        arrays = (self._day.copy(), self._age.copy(), self._stock.copy())
        return {"rng": self._rng.bit_generator.state, "arrays": arrays, "account": (self._profit, self._days)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._rng.bit_generator.state = state["rng"]
        self._day, self._age, self._stock = (array.copy() for array in state["arrays"])
        self._profit, self._days = state["account"]


def trade(stock: Array, order: Array | float, demand: Array | float, price: float, cost: float) -> tuple[Array, Array]:
    """Return the stock after a day and its profit; what the shelf cannot hold is not delivered."""
    delivered = np.minimum(order, SHELF - stock)
    sold = np.minimum(stock + delivered, demand)
    return stock + delivered - sold, price * sold - cost * delivered


def observe(stock: Array, demand: Array, day: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (N, 2) observations: the stock and yesterday's demand, both scaled."""
    return np.stack([stock / SHELF, demand[day - 1] / SHELF], axis=1).astype(np.float32)


@options("env")
class Inventory:
    """The option ``env=inventory``.

    Attributes:
        path: CSV file of daily demand.
        price: price of a unit sold, EUR.
        cost: cost of a unit ordered, EUR.
    """

    metric_names: ClassVar[tuple[str, ...]] = ("profit_per_day", "stock_mean")
    evaluation_overrides: ClassVar[tuple[str, ...]] = ("env.path", "env.price", "env.cost")
    data_paths: ClassVar[tuple[str, ...]] = ("env.path",)

    path: str
    price: Annotated[float, Field(gt=0)]
    cost: Annotated[float, Field(ge=0)]

    @property
    def offers(self) -> Sequence[str]:
        """Discrete actions only."""
        return ("discrete",)

    def open(self, actions: str, observation_state: Mapping[str, Any] | None = None) -> InventoryWorld:
        """Read the demand."""
        return InventoryWorld(np.loadtxt(self.path), (self.price, self.cost))


class InventoryWorld:
    """The shelf and its demand: 60 % training, 20 % validation, 20 % test."""

    score, optimum, rule = "profit_per_day", "foresight", "always_five"
    metrics = (
        Metric(name="profit_per_day", label="profit", unit="EUR/day"),
        Metric(name="stock_mean", label="mean stock", unit="units"),
    )
    layout = Layout(names=("stock", "demand_before"), window_first=2, window_size=0)
    action = ActionMeaning(names=("order_units",), values=(tuple(ORDERS),))

    def __init__(self, demand: Array, margins: tuple[float, float]) -> None:
        """Split the demand."""
        self._demand, self._margins, n = demand, margins, len(demand)
        self._periods = {"validation": (n * 6 // 10, n * 8 // 10), "test": (n * 8 // 10, n)}
        self.digest = f"{zlib.crc32(demand.tobytes()):08x}"

    def vector_env(self, num_envs: int, seed: int) -> InventoryVectorEnv:
        """Return N shelves on the training period."""
        return InventoryVectorEnv(self._demand[: self._periods["validation"][0]], self._margins, num_envs, seed)

    def evaluate(self, actor: Actor, period: str) -> Evaluation:
        """Run a policy through a period, from an empty shelf."""
        stock, rows = np.zeros(1), []
        for day in range(*self._periods[period]):
            order = ORDERS[int(np.asarray(actor(observe(stock, self._demand, np.array([day])))).ravel()[0])]
            before, (stock, profit) = stock, trade(stock, order, self._demand[day], *self._margins)
            rows.append({"day": day, "stock": before[0], "order": order, "profit": profit[0]})
        frame = pd.DataFrame(rows)
        metrics = {"profit_per_day": float(frame.profit.mean()), "stock_mean": float(frame.stock.mean())}
        return Evaluation(metrics=metrics, frame=frame)

    def baselines(self, period: str) -> dict[str, Evaluation]:
        """Evaluate the rule, and orders of an oracle that knows the demand of the day."""
        days = iter(range(*self._periods[period]))

        def foresight(observation: NDArray[np.float32]) -> NDArray[Any]:
            missing = self._demand[next(days)] - observation[0, 0] * SHELF
            return np.array([int(np.clip(np.ceil(missing / 5), 0, 2))])

        always_five = self.evaluate(lambda observation: np.array([1]), period)
        return {"always_five": always_five, "foresight": self.evaluate(foresight, period)}

    def panels(self, frame: pd.DataFrame, baselines: Mapping[str, Evaluation]) -> Sequence[Panel]:
        """Draw the stock."""

        def draw(figure: Figure) -> None:
            figure.subplots().plot(frame.day, frame.stock)

        return [Panel(title="Stock", caption="Units on the shelf each morning.", draw=draw, size=(9.0, 3.0))]

    def summary(self) -> Mapping[str, str]:
        """Return the length of the demand."""
        return {"Demand": f"{len(self._demand)} days"}

    def observation_state(self) -> Mapping[str, Any]:
        """Nothing is fitted."""
        return {}
