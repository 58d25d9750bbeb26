"""Repeated price check: a price of half an hour that stands in six intervals never shows itself before it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.repeated_price_check import check_repeated_prices
from battery_lab.market.forecasts.daily_publication import DailyPublication
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_series, wavy_prices

PRICE = wavy_prices(60, seed=1, intervals_per_day=48)
NOON = {"price": DailyPublication(720, "UTC")}
LOAD = {"demand_mw": PRICE}


def series(hours: tuple[float, float] | None = (0.5, 1.0), **changes: Any) -> Any:
    return make_series(PRICE, 0.5, published_interval_h=hours, **changes)


@pytest.mark.parametrize(
    ("changes", "lag", "bids", "columns"),
    [
        ({}, 1, False, "price"),
        ({}, 1, True, "price"),
        ({"columns": LOAD}, 1, False, "price and demand_mw"),
        ({"published": NOON}, 1, True, "price"),  # bids are made as if it were not known
        ({"published": NOON, "columns": LOAD}, 0, False, "demand_mw"),
    ],
)
def test_values_that_would_be_known_before_their_time_are_refused(
    changes: dict[str, Any], lag: int, bids: bool, columns: str
) -> None:
    message = f"values of 60 minutes in intervals of 30 minutes: {columns} of the interval before .*resample=mean"
    with pytest.raises(DataError, match=message):
        check_repeated_prices(series(**changes), lag, bids)


@pytest.mark.parametrize(
    ("changes", "lag"),
    [
        ({}, 0),
        ({"columns": LOAD}, 0),
        ({"published": NOON}, 1),
        ({"lead_h": {"price": 12.0}}, 1),
        ({"hours": (0.5, 0.5)}, 1),
        ({"hours": (0.25, 0.5)}, 1),  # means are known at the end of their interval
        ({"hours": None}, 1),
    ],
)
def test_values_that_are_known_anyway_are_not(changes: dict[str, Any], lag: int) -> None:
    check_repeated_prices(series(**changes), lag, bids=False)


def test_no_trial_opens_on_them(tmp_path: Path) -> None:
    for changes in ({"price_lag": 1}, {"actions": "bids"}):
        option = make_option(tmp_path, series(), **changes)
        with pytest.raises(DataError, match="resample=repeat"):
            option.open("continuous")
        with pytest.raises(DataError, match="resample=repeat"):
            option.open_days("2024-01-01")
