"""Returns of rollout=array versus rollout=stock: intervals of paired and unpaired seeds, and the margin."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.array_vs_stock_returns import compare


def test_intervals_equal_the_formulas_of_student_and_welch() -> None:
    stock, array = np.array([500.0, 480.0, 490.0, 470.0, 485.0]), np.array([495.0, 500.0, 460.0, 440.0, 480.0])
    found = compare(list(stock), list(array))
    t_of_4 = 2.776445  # 97.5 % quantile of Student's t with 4 degrees of freedom
    half = t_of_4 * (array - stock).std(ddof=1) / 5**0.5
    assert np.array(found["interval"]) * 485.0 == pytest.approx([-10 - half, -10 + half], rel=1e-5)
    assert found["difference"] == pytest.approx(475 / 485 - 1)
    # Two samples with equal variance: 8 degrees of freedom.
    half = 2.306004 * (2 * stock.var(ddof=1) / 5) ** 0.5
    alike = compare(list(stock), list(stock[::-1] + 10))
    assert np.array(alike["welch_interval"]) * 485.0 == pytest.approx([10 - half, 10 + half], rel=1e-5)


def test_interval_is_a_point_if_all_seeds_differ_by_the_same() -> None:
    found = compare([100.0, 200.0, 300.0], [101.0, 201.0, 301.0])
    assert found["interval"] == pytest.approx([0.005, 0.005]) and found["spreads"]


def test_paired_seeds_are_equal_although_returns_vary() -> None:
    found = compare([100.0, 300.0, 500.0], [101.0, 299.0, 501.0])
    assert found["within_margin"] and found["welch_interval"][0] < -0.5


def test_equal_means_with_unpaired_variance_are_not_equal() -> None:
    assert not compare([100.0, 300.0, 500.0], [300.0, 500.0, 100.0])["within_margin"]
    near, same = (compare([500.0, low, 500.0], [500.0, 500.0, low]) for low in (499.0, 500.0))
    assert near["within_margin"] and near["spreads"]
    assert same["within_margin"] and not same["spreads"]
