"""Compositions of the lab's options on markets small enough for a test."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from battery_lab.config.conf_folder import conf_dir
from tests.small_batteries_and_series import wavy_prices

SMALL = (
    "train.env_steps=2048",
    "train.checkpoint_every=1024",
    "train.validate_every=1024",
    "env.episode_days=2",
    "env.validation_days=3",
    "env.test_days=4",
    "env.baselines.stochastic_dp.days=2",
)
SMALL_ALGOS = {
    "bid_curves": (
        *("algo.knots=3", "algo.levels=10", "algo.slice_intervals=96"),
        *("algo.batch_slices=4", "algo.num_workers=1", "algo.lr=1e-2"),
    ),
    "ppo": ("algo.num_envs=8", "algo.fragment=64", "algo.minibatch=256", "algo.min_batches=0", "algo.epochs=2"),
    "dqn": ("algo.num_envs=8", "algo.batch=64", "algo.learning_starts=256", "algo.iteration_steps=256"),
    "sac": ("algo.num_envs=8", "algo.batch=64", "algo.learning_starts=256", "algo.iteration_steps=256"),
}
SMALL_NETWORK = ("network.hidden=[16,16]",)


def options(group: str) -> list[str]:
    """Return the names of a group's options, found and not listed, so that new YAML is tested too."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def write_market(folder: Path, days: int = 24, seed: int = 0, columns: bool = False) -> list[str]:
    """Write a small market to a folder and return the overrides that choose it."""
    folder.mkdir(parents=True, exist_ok=True)
    price = wavy_prices(days, seed)
    start = pd.date_range("2024-01-01", periods=len(price), freq="5min", tz="UTC")
    frame = pd.DataFrame({"timestamp": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "price": price})
    path = folder / f"prices_{seed}.csv"
    if columns:
        frame["price_forecast"] = pd.Series(price).rolling(12, min_periods=1).mean()
        frame["demand_mw"] = 5000 + 10 * price
    frame.to_csv(path, index=False)
    zone = ["market.time_zone=Etc/GMT-10", "market.currency=EUR"]
    return ["market=table", f"market.path={path}", *zone, f"outputs={folder / 'outputs'}"]


def small(folder: Path, algo: str = "ppo", *overrides: str, days: int = 24) -> DictConfig:
    """Compose a trial that trains in about a second."""
    sizes = [*SMALL, *SMALL_ALGOS.get(algo, ()), *SMALL_NETWORK]
    return compose([f"algo={algo}", "tracking=none", *write_market(folder, days), *sizes, *overrides])


def store(config: DictConfig, folder: Path) -> None:
    """Write a trial as the command does."""
    (folder / "trial.yaml").write_text(OmegaConf.to_yaml(config))


def part(config: DictConfig, name: str) -> Any:
    """Build one part of a composed trial."""
    return build_part(config, name)


def option(group: str, name: str, overrides: Sequence[str] = ()) -> Any:
    """Build one option that needs nothing else; equal ones are built once, because composing takes half a second."""
    return _option(group, name, tuple(overrides))


@functools.cache
def _option(group: str, name: str, overrides: tuple[str, ...]) -> Any:
    return part(compose(["market=aemo", f"{group}={name}", *overrides]), group)


def same_arrays(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two nested states hold the same keys and the same numbers to the bit."""
    if first.keys() != second.keys():
        return False
    return all(
        same_arrays(value, second[key]) if isinstance(value, dict) else np.array_equal(value, second[key])
        for key, value in first.items()
    )
