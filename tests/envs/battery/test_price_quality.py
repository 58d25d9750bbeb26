"""Price quality of a data check: limits of their time, signs, clock changes, unchanged prices and years."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from tests.envs.battery.test_price_data_check import check
from tests.market import operator_files as files


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
