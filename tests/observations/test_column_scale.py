"""Column scales: fitted to training values, and required for each column."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.column_scale import fit_scales
from battery_lab.observations.market_history import History
from tests.small_batteries_and_series import make_series, wavy_prices


def test_price_spikes_are_compressed_and_keep_their_order():
    scale = fit_scales(make_series(wavy_prices(30)))["price"]
    scaled = scale.apply(np.array([-1000.0, 0.0, 60.0, 300.0, 17500.0]))
    assert np.all(np.diff(scaled) > 0)
    assert scaled[-1] < 12
    assert scaled[-1] - scaled[-2] > 0.5


def test_price_columns_get_the_asinh_and_all_columns_are_standardised():
    prices = wavy_prices(30)
    series = make_series(prices, columns={"price_forecast": prices + 5, "demand_mw": 5000 + prices})
    scales = fit_scales(series)
    assert scales["price"].squash == np.median(np.abs(prices))
    assert (scales["price_forecast"].squash > 0, scales["demand_mw"].squash) == (True, 0)
    for name, values in {"price": prices, **series.columns}.items():
        scaled = scales[name].apply(values)
        np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-9)


def test_column_without_a_fitted_scale_is_an_error():
    history = History(make_series([1.0, 2.0]), 0, {})
    with pytest.raises(ConfigError, match="no scale was fitted for column 'price'"):
        history.latest("price")


def test_scaled_values_can_be_restored():
    series = make_series(wavy_prices(30), columns={"demand_mw": 5000 + wavy_prices(30)})
    for name, values in {"price": series.price, **series.columns}.items():
        scale = fit_scales(series)[name]
        np.testing.assert_allclose(scale.restore(scale.apply(values)), values, rtol=1e-9)
