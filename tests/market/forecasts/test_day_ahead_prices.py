"""Day-ahead prices: which files hold them, and when they are known by the operators' rules or by those of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files

PRICES = [float(price) for price in range(30)]
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


def caiso(folder: Path, run: str, **changes: Any) -> MarketSeries:
    start = datetime(2024, 5, 1, tzinfo=files.NEW_YORK)
    rows = files.caiso_rows(start, PRICES, minutes=60, run=run)
    return files.read("caiso", files.write(folder / "c.csv", files.CAISO_HEADER.format(price="MW"), rows), **changes)


def nyiso(folder: Path, name: str, minutes: int = 60, **changes: Any) -> MarketSeries:
    start = datetime(2024, 5, 1, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(start, PRICES, minutes=minutes, end=minutes < 60)
    return files.read("nyiso", files.write(folder / name, files.NYISO_HEADER, rows), **changes)


def ercot(folder: Path, minutes: int, **changes: Any) -> MarketSeries:
    start = datetime(2024, 5, 1, tzinfo=files.TEXAS)
    rows = files.ercot_rows(start, PRICES, minutes=minutes)
    header = files.ERCOT_HEADER
    if minutes == 60:
        header = header.replace("DeliveryInterval,", "")
        rows = [",".join(row.split(",")[:2] + row.split(",")[3:]) for row in rows]
    return files.read("ercot", files.write(folder / "e.csv", header, rows), **changes)


def test_california_publishes_the_day_ahead_market_at_13(tmp_path: Path) -> None:
    assert caiso(tmp_path, "DAM").published == {"price": DailyPublication(13 * 60, "America/Los_Angeles")}
    assert caiso(tmp_path, "RTM").published == {}
    assert caiso(tmp_path, "DAM", day_ahead_published=None).published == {}
    later = caiso(tmp_path, "DAM", day_ahead_published="14:30").published["price"]
    assert later == DailyPublication(14 * 60 + 30, "America/Los_Angeles")


def test_new_york_publishes_the_day_ahead_market_at_11(tmp_path: Path) -> None:
    rule = {"price": DailyPublication(11 * 60, "America/New_York")}
    assert nyiso(tmp_path, "20240501damlbmp_zone.csv").published == rule
    assert nyiso(tmp_path, "20240501rtlbmp_zone.csv").published == {}  # hourly means of real time
    assert nyiso(tmp_path, "20240501realtime_zone.csv", 5).published == {}


def test_texas_publishes_the_day_ahead_market_at_half_past_13(tmp_path: Path) -> None:
    assert ercot(tmp_path, 60).published == {"price": DailyPublication(13 * 60 + 30, "America/Chicago")}
    assert ercot(tmp_path, 15).published == {}


@pytest.mark.parametrize("option", ["caiso", "nyiso", "ercot"])
def test_a_time_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(Exception, match=r"market.day_ahead_published must be a time of the day before.*got 'noon'"):
        files.market(option, "x.csv", day_ahead_published="noon")


def table(folder: Path, **changes: Any) -> MarketSeries:
    rows = [f"2024-05-01T{hour:02d}:00Z,{hour},{2 * hour}" for hour in range(24)]
    return files.read("table", files.write(folder / "t.csv", "timestamp,price,da", rows), **BERLIN | changes)


@pytest.mark.parametrize("text", ["12:45", 765, "12:45 Europe/Berlin"])
def test_a_table_says_when_its_price_is_published(tmp_path: Path, text: str | int) -> None:
    series = table(tmp_path, **{"published.price": text})
    assert series.published == {"price": DailyPublication(765, "Europe/Berlin")}
    assert str(series.published["price"]) == "12:45 the day before"


def test_a_table_says_when_a_column_is_published_or_how_far_ahead_its_price_is_known(tmp_path: Path) -> None:
    series = table(tmp_path, **{"columns.price_da": "da", "published.price_da": "9:00", "lead_h.price": 12})
    assert series.published == {"price_da": DailyPublication(540, "Europe/Berlin")}
    assert series.lead_h == {"price": 12}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"published.price": "noon"}, "market.published.*a time of the day before"),
        ({"published.price": "12:45 Mars"}, "market.published.*time"),
        ({"published.wind": "12:45"}, "market.published must name price or columns.*got 'wind'"),
        ({"published.price": "12:45", "lead_h.price": 3}, "market.published must name what market.lead_h does not"),
    ],
)
def test_rules_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        files.market("table", "x.csv", **BERLIN | changes)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)


def test_real_time_prices_that_are_resampled_to_hours_are_not_day_ahead(tmp_path):
    rows = files.ercot_rows(datetime(2024, 1, 1, 6, tzinfo=UTC), [float(price) for price in range(96)])
    file = files.write(tmp_path / "x.csv", files.ERCOT_HEADER, rows)
    series = files.read("ercot", file, resample="mean", interval_minutes=60)
    assert (series.interval_h, series.published) == (1.0, {})
