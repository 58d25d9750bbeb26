"""The interval that a bid is for: which row of a series it is, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.battery.interval_lookup import local_time, row_at
from tests.small_batteries_and_series import make_series

# From 11:00 on 1 January in Melbourne; half an hour each.
SERIES = make_series(np.arange(480.0), 0.5, time_zone="Australia/Melbourne")
# Clocks went back at 03:00 on 7 April 2024, and forward at 02:00 on 6 October.
AUTUMN = make_series(np.arange(96.0), 0.5, "2024-04-06", time_zone="Australia/Melbourne")
SPRING = make_series(np.arange(96.0), 0.5, "2024-10-05", time_zone="Australia/Melbourne")


@pytest.mark.parametrize(
    ("at", "row"),
    [
        ("2024-01-01T12:00", 2),
        ("2024-01-01 12:30:00", 3),
        ("'2024-01-02'", 26),
        ("2024-01-01T12:00+11:00", 2),
        ("2024-01-01T12:00+10:00", 4),
        ("2024-01-01T01:30Z", 3),
        ("2024-01-11T11:00", 480),
        (None, 480),
    ],
)
def test_a_time_is_local_or_has_an_offset_and_none_is_the_interval_after_the_last(at, row):
    assert row_at(SERIES, at, 1) == row


def test_the_local_time_of_a_row_may_follow_the_series():
    assert local_time(SERIES, 0) == SERIES.local_start[0]
    assert local_time(SERIES, 480) == SERIES.local_start[-1] + pd.Timedelta(minutes=30)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("noon", "at must be a time such as 2025-06-30T17:05 or .*, got 'noon'"),
        ("", "at must be a time such as"),
        ("2024-01-01T12:10", "at must be the start of a dispatch interval of 30 minutes, got '2024-01-01T12:10'"),
        ("2024-01-01T12:00:01", "at must be the start of a dispatch interval"),
        ("2024-01-01T11:30", r"at must be from 2024-01-01 12:00:00\+11:00 \(the policy observes 1 h before it\)"),
        (
            "2024-01-11T11:30",
            r"to 2024-01-11 11:00:00\+11:00 \(the end of market TEST\), got .*: choose another time, or",
        ),
        ("2023-06-01", "at must be from"),
    ],
)
def test_a_time_that_is_no_interval_with_history_is_refused(at, message):
    with pytest.raises(ConfigError, match=message):
        row_at(SERIES, at, 2)


def test_an_hour_that_clocks_repeat_needs_an_offset():
    with pytest.raises(ConfigError, match=r"at=2024-04-07T02:30 occurs twice in Australia/Melbourne: add a UTC offset"):
        row_at(AUTUMN, "2024-04-07T02:30", 1)
    assert row_at(AUTUMN, "2024-04-07T02:30+10:00", 1) - row_at(AUTUMN, "2024-04-07T02:30+11:00", 1) == 2


def test_an_hour_that_clocks_skip_is_refused():
    with pytest.raises(ConfigError, match=r"at=2024-10-06T02:30 does not exist in Australia/Melbourne"):
        row_at(SPRING, "2024-10-06T02:30", 1)


def test_the_price_before_the_interval_must_not_be_missing():
    gap = np.zeros(480, np.bool_)
    gap[3] = True
    series = replace(SERIES, gap=gap)
    with pytest.raises(DataError, match="at=2024-01-01T13:00: market TEST has no price for the interval before it"):
        row_at(series, "2024-01-01T13:00", 1)
    assert row_at(series, "2024-01-01T13:30", 1) == 5
