"""The comparison of methods for a daily cap on cycles."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.daily_cap_methods import Case, compare, table
from tests.small_batteries_and_series import make_battery, wavy_prices


@pytest.mark.walk  # compiles a programme that nothing else uses
def test_methods_are_compared_with_an_exact_programme():
    cases = [
        Case(wavy_prices(3, seed, 24), np.arange(72) // 24, make_battery(max_cycles_per_day=0.6), 1.0)
        for seed in range(3)
    ]
    results = compare(cases, [4, 32], [24], at_least=60)
    coarse, fine, multipliers = results
    assert coarse.mean > fine.mean
    assert fine.largest < 0.01
    assert multipliers.largest < 0.01
    assert min(result.mean for result in results) > -0.002
    assert "| multipliers, 24 |" in table(results)
