"""The baselines of conf/, and a small problem for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

from battery_lab.baselines import Baseline
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

CONF = Path(__file__).parents[2] / "conf" / "baseline"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))
CAUSAL = [name for name in NAMES if name != "perfect_foresight"]
PER_DAY = 48


def make_baseline(name: str, **changes: Any) -> Baseline:
    """Return a baseline with the options of its YAML, some of them changed."""
    defaults = OmegaConf.load(CONF / f"{name}.yaml")
    return instantiate(OmegaConf.merge(defaults, changes), _convert_="all")


def make_problem(
    price: Any = None, *, lag: int = 0, bids: bool = False, battery: Any = None, **series: Any
) -> DispatchProblem:
    """Return 30 days of training, 5 days of validation and 10 days of test in half-hour intervals."""
    price = wavy_prices(45, seed=2, intervals_per_day=PER_DAY) if price is None else price
    return DispatchProblem(
        series=make_series(price, 0.5, **series),
        battery=make_battery() if battery is None else battery,
        first=35 * PER_DAY,
        end=len(price),
        train_end=30 * PER_DAY,
        price_lag=max(lag, int(bids)),
        bids=bids,
    )


def profit_of(problem: DispatchProblem, name: str, **changes: Any) -> float:
    """Return the profit of a baseline."""
    dispatch = Dispatch.replay(problem, make_baseline(name, **changes).requests(problem))
    return float(dispatch.transition.profit.sum())


def changed_from(price: np.ndarray, row: int) -> np.ndarray:
    """Return the prices, changed from a row on."""
    changed = price.copy()
    changed[row:] = 900 - 3 * changed[row:]
    return changed
