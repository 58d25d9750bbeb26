"""Rolling means and quantiles, compared with NumPy on each window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lab.market.rolling_statistics import mean_before, rolling_mean, rolling_quantiles


@settings(max_examples=50)
@given(st.lists(st.floats(-1000, 17500), min_size=1, max_size=40), st.integers(1, 20))
def test_rolling_statistics_agree_with_numpy(values, window):
    values = np.array(values)
    fractions = np.array([0.0, 0.1, 0.5, 1.0])
    means, quantiles = rolling_mean(values, window), rolling_quantiles(values, window, fractions)
    for t in range(len(values)):
        last = values[max(0, t + 1 - window) : t + 1]
        np.testing.assert_allclose(means[t], last.mean(), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(quantiles[t], np.quantile(last, fractions), rtol=1e-9, atol=1e-9)


def test_spike_leaves_no_rounding_error_in_later_means():
    values = np.array([1e16, *[1.0] * 8])
    assert rolling_mean(values, 3)[-1] == 1.0


def test_mean_before_uses_earlier_values_only():
    price = np.array([10.0, 20.0, 60.0, -30.0])
    assert mean_before(price, 2) == pytest.approx([0, 10, 15, 40, 15])
    changed = price.copy()
    changed[2:] = 1e6
    assert mean_before(changed, 2)[:3] == pytest.approx([0, 10, 15])
