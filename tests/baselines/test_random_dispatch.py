"""Random dispatch: three moves with equal probability, reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.baselines.random_dispatch import RandomDispatch
from battery_lab.common.errors import ConfigError
from tests.baselines.small_problem import make_baseline, make_problem
from tests.small_batteries_and_series import wavy_prices


def test_charges_holds_and_discharges_equally_often() -> None:
    requests = make_baseline("random").requests(make_problem(wavy_prices(400, intervals_per_day=48)))
    moves, counts = np.unique(requests, return_counts=True)
    np.testing.assert_array_equal(moves, [-10, 0, 10])
    np.testing.assert_allclose(counts / len(requests), 1 / 3, atol=0.02)


def test_another_seed_gives_another_schedule() -> None:
    problem = make_problem()
    assert np.any(make_baseline("random", seed=1).requests(problem) != make_baseline("random").requests(problem))


def test_negative_seed_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"env\.baselines\.random\.seed must be a whole number, 0 or more, got -1"):
        RandomDispatch(seed=-1)
