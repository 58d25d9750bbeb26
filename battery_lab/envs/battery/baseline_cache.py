"""Baseline cache: the requests of baselines, computed once per market, battery and period."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from battery_lab.baselines import Baseline, BoundedBaseline
from battery_lab.common.array_cache import cached_array
from battery_lab.common.cache_keys_and_cleanup import cache_folder, key_of, source_digest
from battery_lab.envs.battery.dispatch_problem import DispatchProblem

PACKAGE = Path(__file__).resolve().parents[2]
# Code that the requests depend on, besides the baselines themselves.
SOURCES = (
    *("envs/battery/physics", "envs/battery/delivery", "envs/battery/cycle_caps"),
    *("envs/battery/dispatch_problem", "envs/battery/transition_accounts", "market/market_series"),
    *("planning/bellman_backup", "planning/bid_clearing", "planning/energy_grid", "planning/marginal_bids"),
    *("planning/perfect_foresight", "planning/hindsight_value", "planning/capped_optimum"),
    *("planning/daily_cap", "planning/capped_day"),
    *("planning/yearly_cap", "planning/blended_schedules", "planning/throughput_price"),
    *("planning/receding_plan", "planning/vintage_plan", "planning/expected_prices"),
    "envs/battery/fitted_throughput_price",
)
FOLDERS = ("baselines", "market/forecasts")
FILES = (
    *(PACKAGE / f"{source}.py" for source in SOURCES),
    *(path for folder in FOLDERS for path in (PACKAGE / folder).glob("*.py")),
)
CODE = source_digest(FILES)


def cached_requests(cache: str, name: str, baseline: Baseline, problem: DispatchProblem) -> NDArray[np.float64]:
    """Return the requests of a baseline, from the cache unless the problem or the code has changed.

    Args:
        cache: folder of the cache.
        name: name of the baseline.
        baseline: computes the requests if the cache has none, or a damaged file.
        problem: the problem to dispatch.

    Returns:
        (T,) requested power in each interval, MW.
    """
    return cached_schedule(cache, name, baseline, problem)[0]


def cached_schedule(
    cache: str, name: str, baseline: Baseline, problem: DispatchProblem
) -> tuple[NDArray[np.float64], float]:
    """Return what ``cached_requests`` returns, and the upper bound of profit that the baseline knows, or NaN."""

    def compute() -> NDArray[np.float64]:
        if isinstance(baseline, BoundedBaseline):
            requests, bound = baseline.bounded_requests(problem)
        else:
            requests, bound = baseline.requests(problem), math.nan
        return np.append(requests, bound)

    numbers = cached_numbers(cache, name, baseline, problem, (problem.end - problem.first + 1,), compute)
    return numbers[:-1], float(numbers[-1])


def cached_numbers(
    cache: str,
    name: str,
    baseline: Baseline,
    problem: DispatchProblem,
    shape: tuple[int, ...],
    compute: Callable[[], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return an array that depends on a baseline and a problem, from the cache unless one of them has changed.

    Args:
        cache: folder of the cache.
        name: name of the result.
        baseline: the baseline.
        problem: the problem to dispatch.
        shape: shape of the array; a stored one of another shape is damaged.
        compute: returns the array.
    """
    path = cache_folder(cache) / "baselines" / f"{name}-{_key(baseline, problem)}.npy"
    return cached_array(path, shape, compute)


def _key(baseline: Baseline, problem: DispatchProblem) -> str:
    return key_of(
        *(problem.series.digest, problem.battery, problem.first, problem.end, problem.train_end),
        *(problem.price_lag, problem.bids, problem.throughput_price),
        *(baseline, type(baseline).__qualname__, CODE, _own_code(type(baseline))),
    )


def _own_code(baseline: type) -> str:
    """Return a hash of the file that a baseline's class is in, which may be the user's."""
    own = inspect.getsourcefile(baseline)
    return "" if own is None else source_digest([Path(own)])
