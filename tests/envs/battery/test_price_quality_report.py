"""Price quality and guesses of a data check: limits of their time, what was chosen to read files, which days count."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from tests.envs.battery.test_price_data_check import START, check
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.small_batteries_and_series import wavy_prices


def test_an_auction_that_is_chosen_by_itself_is_a_guess(tmp_path):
    both = [reports.website_rows(START, [price] * 200) for price in (10.0, 20.0)]
    rows = [row.replace("Without Sequence", f"Sequence {i}") for i, rows in enumerate(both, 1) for row in rows]
    found = check(files.write(tmp_path / "x.csv", reports.WEBSITE, rows))
    assert found.source.values["sequence"] == 1
    assert "has prices of several auctions, Sequence 1 and 2" in found.facts()["assumed"]["sequence"]["why"]


def test_days_without_prices_count_for_no_period(tmp_path):
    prices = wavy_prices(31).tolist()
    rows = files.aemo_rows(START, prices)
    found = check(files.write(tmp_path / "a.csv", files.AEMO_HEADER, [*rows[: 5 * 288], rows[-1]]))
    assert found.problem.startswith("only 5.0 of its 31.0 days have prices, and 522 are needed: ")
    assert "31.0 days, of which 5.0 have prices, " in found.text()


def test_quality_counts_limits_signs_and_clock_changes(tmp_path):
    price = np.full(30 * 288, 50.0) + np.arange(30 * 288) % 7
    price[:288] = -1000.0
    price[288:300] = 15_500.0
    price[300:316] = 0.0
    found = check(
        files.write(
            tmp_path / "a.csv",
            files.AEMO_HEADER,
            files.aemo_rows(datetime(2023, 3, 20, tzinfo=files.NEM), price.tolist()),
        )
    )
    quality = found.facts()["quality"]
    assert (quality["at_or_below_floor"], quality["at_or_above_cap"]) == (288, 12)
    assert quality["limits_by_time"] == [15_500.0, 15_500.0]
    assert "288 prices at or below -1,000, 12 at or above 15,500\n" in found.text()
    assert quality["share_negative"] == round(288 / len(price), 6)
    assert quality["share_zero"] == round(16 / len(price), 6)
    assert quality["clock_changes"] == {"skipped_hour": [], "repeated_hour": ["2023-04-02"]}
    assert quality["longest_unchanged_price"] == {"hours": 24.0, "from": "2023-03-20T01:00:00+11:00", "price": -1000.0}
    assert quality["years"]["2023"]["days"] == 30
    assert quality["years"]["2023"]["mean"] == round(price.mean(), 4)
    assert quality["years"]["2023"]["p99"] == round(float(np.percentile(price, 99)), 4)
