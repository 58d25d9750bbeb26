"""Day-ahead prices: which files hold them, and when they are known by the operators' rules or by those of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.market_series import MarketSeries
from tests.baselines.small_problem import profit_of
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.small_batteries_and_series import make_battery

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


NIGHT = datetime(2024, 7, 1, 5, tzinfo=UTC)


def write_pjm(folder: Path, kind: str) -> None:
    header = reports.PJM_HEADER.format(run="da" if kind == "day-ahead" else "rt")
    files.write(folder / "x.csv", header, reports.pjm_rows(NIGHT, PRICES))


def write_isone(folder: Path, kind: str) -> None:
    title, *lines = reports.isone_report(NIGHT, PRICES)
    title = title.replace("Real-Time", "Day-Ahead") if kind == "day-ahead" else title
    reports.text(folder / "x.csv", [title, *lines])


def write_miso(folder: Path, kind: str) -> None:
    reports.miso_files(folder, NIGHT, PRICES[:24], "ARKANSAS.HUB")
    for file in folder.iterdir():
        *head, _ = file.read_text().splitlines()
        head[0] = head[0] if kind == "day-ahead" else "Real-Time Final Market LMPs"
        reports.text(folder / file.name.replace("da_expost", kind[:4]), head)
        file.unlink()


def write_ieso(folder: Path, kind: str) -> None:
    lines = ["CREATED AT 2025/06/01 12:00:00 FOR 2025/06/02", "Delivery Hour,Pricing Location,LMP"]
    lines += [f"{hour},A,{hour}" for hour in range(1, 25)]
    reports.text(folder / "x.csv", lines if kind == "day-ahead" else reports.hoep_file(NIGHT, PRICES))


def write_spp(folder: Path, kind: str) -> None:
    name = "DA-LMP-SL-1.csv" if kind == "day-ahead" else "RTBM-LMP-SL-1.csv"
    files.write(folder / name, reports.SPP_HEADER, reports.spp_rows(NIGHT, PRICES, 60))


def write_entsoe(folder: Path, kind: str) -> None:
    files.write(folder / "x.csv", reports.WEBSITE, reports.website_rows(NIGHT, PRICES))


def write_nordpool(folder: Path, kind: str) -> None:
    reports.text(folder / "x.csv", reports.portal_file(NIGHT, PRICES, 60, "FI"))


WRITERS = {
    "pjm": (write_pjm, DailyPublication(810, "America/New_York")),
    "isone": (write_isone, DailyPublication(810, "America/New_York")),
    "miso": (write_miso, DailyPublication(810, "Etc/GMT+5")),
    "ieso": (write_ieso, DailyPublication(810, "Etc/GMT+5")),
    "spp": (write_spp, DailyPublication(780, "America/Chicago")),
    "entsoe": (write_entsoe, DailyPublication(765, "Europe/Brussels")),
    "nordpool": (write_nordpool, DailyPublication(765, "Europe/Brussels")),
}


@pytest.mark.parametrize("option", sorted(WRITERS))
def test_every_operator_of_a_day_ahead_market_says_when_it_publishes(tmp_path: Path, option: str) -> None:
    write, rule = WRITERS[option]
    write(tmp_path / "da", "day-ahead")
    assert files.read(option, tmp_path / "da").published == {"price": rule}
    assert files.read(option, tmp_path / "da", day_ahead_published=None).published == {}
    if option not in ("entsoe", "nordpool"):
        write(tmp_path / "rt", "real-time")
        assert files.read(option, tmp_path / "rt").published == {}


def test_planning_on_a_day_ahead_market_knows_tomorrow_once_it_is_published(tmp_path: Path) -> None:
    # Nothing of these prices can be learned from the days before.
    rng = np.random.default_rng(0)
    prices = np.round(np.repeat(rng.choice([20.0, 100.0, 500.0], 24), 24) * rng.random(576), 2).tolist()
    file = files.write(tmp_path / "x.csv", reports.WEBSITE, reports.website_rows(NIGHT, prices))

    def profit(**changes: Any) -> float:
        series = files.read("entsoe", file, **changes)
        problem = DispatchProblem(
            series=series, battery=make_battery(), first=240, end=576, train_end=240, price_lag=0, bids=False
        )
        return profit_of(problem, "receding_horizon")

    assert profit() > 1.1 * profit(day_ahead_published=None)


def test_prices_of_a_day_ahead_market_that_are_resampled_are_known_as_before(tmp_path: Path) -> None:
    write_entsoe(tmp_path, "day-ahead")
    series = files.read("entsoe", tmp_path, resample="repeat", interval_minutes=15)
    assert (series.interval_h, series.published) == (0.25, {"price": DailyPublication(765, "Europe/Brussels")})
    write_pjm(tmp_path / "rt", "real-time")
    assert files.read("pjm", tmp_path / "rt", resample="repeat", interval_minutes=15).published == {}


@pytest.mark.parametrize("option", ["caiso", "nyiso", "ercot", *sorted(WRITERS)])
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
