"""Ladder over look-ahead: plans on perfect forecasts, on vintages equal to the prices, and on AEMO's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.perfect_foresight import plan
from benchmarks.look_ahead_ladder import LOOK_AHEADS, main, storage, stretch, table
from benchmarks.look_ahead_plans import COLUMNS, ladder_revenue
from benchmarks.nem_month import load_month
from tests.small_batteries_and_series import make_series, wavy_prices

AHEAD = 24


@pytest.fixture(scope="module")
def series() -> MarketSeries:
    return make_series(wavy_prices(4))


def with_true_forecasts(series: MarketSeries) -> MarketSeries:
    """Return the series with forecasts of AHEAD rows that turn out to be right."""
    rows = np.arange(len(series))[:, None] + np.arange(AHEAD)
    run, place = np.nonzero(rows < len(series))
    vintages = ForecastVintages.of(
        name="right",
        quantity="price",
        published=series.start[run],
        start=series.start[rows[run, place]],
        value=series.price[rows[run, place]],
        step_h=series.interval_h,
    )
    return replace(series, forecasts={"right": vintages})


def test_long_plans_on_perfect_forecasts_earn_what_perfect_foresight_does(series: MarketSeries) -> None:
    battery = storage(2)
    best = plan(series.price, battery, series.interval_h).profit
    shares = [ladder_revenue(series, look, battery, perfect=True)[0] / best for look in (1, 12, 36, 180)]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert 0.98 < shares[-1] <= 1.0001


def test_forecasts_that_are_right_are_perfect_ones(series: MarketSeries) -> None:
    battery, exact = storage(4), series.price.astype(np.float32).astype(np.float64)
    series = with_true_forecasts(replace(series, price=exact))
    perfect = ladder_revenue(series, AHEAD, battery, perfect=True)
    np.testing.assert_allclose(ladder_revenue(series, AHEAD, battery), perfect, rtol=1e-9)
    # Beyond the forecasts, a plan ends.
    np.testing.assert_allclose(ladder_revenue(series, 2 * AHEAD, battery), perfect, rtol=1e-9)


def test_energy_left_at_the_end_of_a_plan_is_kept_if_it_has_a_value(series: MarketSeries) -> None:
    flat = replace(series, price=np.full(len(series), 50.0))
    assert ladder_revenue(flat, 12, storage(4), perfect=True)[0] > 1000
    assert ladder_revenue(flat, 12, storage(4), end_price=60.0, perfect=True)[0] <= 0


def test_stretches_spread_over_the_series(series: MarketSeries) -> None:
    days = [stretch(series, 1, place).start[0] for place in (0.0, 1.0)]
    assert days == [series.start[0], series.start[3 * 288]]
    assert len(stretch(series, None, 0.5)) == len(series)


def test_table_shows_the_study_beside() -> None:
    shares = {row: [0.5] * len(LOOK_AHEADS) for row in ("perfect", *COLUMNS)}
    lines = table(4, LOOK_AHEADS, shares)
    assert "|bids / perfect|" + "1.000|" * 8 in lines
    assert "|study, price known|0.073|0.321|0.440|0.544|0.664|0.845|0.888|0.891|" in lines
    assert len({line.count("|") for line in lines}) == 1


def aemo_tables(folder: Path) -> None:
    """Write a day of the two tables of one region, with runs that are written two minutes after they begin."""
    folder.mkdir()
    end = pd.date_range("2021-01-01 00:05", periods=288, freq="5min")
    dispatch = pd.DataFrame({"SETTLEMENTDATE": end.strftime("%Y/%m/%d %H:%M:%S"), "RRP": wavy_prices(1)})
    runs = []
    for number in range(40):
        label = pd.Timestamp("2021-01-01 00:30") + number * pd.Timedelta("30min")
        stamps = pd.date_range(label, periods=16, freq="30min")
        written = label - pd.Timedelta("28min")
        runs.append(pd.DataFrame({"PREDISPATCHSEQNO": str(number), "LASTCHANGED": written, "DATETIME": stamps}))
    forecast = pd.concat(runs, ignore_index=True)
    forecast["RRP"] = np.arange(len(forecast), dtype=np.float32)
    for name, rows in (("DISPATCHPRICE", dispatch), ("PREDISPATCHPRICE", forecast)):
        rows.assign(REGIONID="NSW1", INTERVENTION=0).to_parquet(folder / f"PUBLIC_DVD_{name}_202101010000.parquet")


def test_a_month_of_aemo_is_read_with_its_vintages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aemo_tables(tmp_path / "nem")
    month = load_month(tmp_path / "nem", "NSW1")
    assert str(month.start[0]) == "2020-12-31T14:00:00"
    vintage = month.forecasts["predispatch"].as_of(np.datetime64("2021-01-01T08:02:00"))  # 18:02 in UTC+10
    assert vintage is not None
    assert str(vintage.start[0]) == "2021-01-01T08:00:00"  # the run labelled 18:30 begins at 18:00
    assert vintage.values[0] == 36 * 16
    main(["--nem", str(tmp_path / "nem"), "--hours", "4", "--look-aheads", "60"])
    assert "|price known|" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"region=QLD1: no row .* only NSW1"):
        load_month(tmp_path / "nem", "QLD1")
    with pytest.raises(DataError, match="no such file, folder or glob"):
        load_month(tmp_path, "NSW1")
