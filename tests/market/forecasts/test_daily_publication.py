"""Daily publication: what is known until when, over days with and without a change of the clock."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.future_values import is_known_ahead, known_end, known_ends, known_lag
from tests.small_batteries_and_series import make_series

BRUSSELS = DailyPublication.parse("12:45", "Europe/Brussels")


def until(rule: DailyPublication, time: str) -> str:
    return str(rule.known_until(np.array([time], "datetime64[s]"))[0])


@pytest.mark.parametrize(
    ("utc", "known_until"),
    [
        ("2024-01-10T11:44:59", "2024-01-10T23:00:00"),  # 12:44:59 in Brussels: until the end of the day
        ("2024-01-10T11:45:00", "2024-01-11T23:00:00"),
        ("2024-01-10T23:00:00", "2024-01-11T23:00:00"),  # midnight: the next day has come, and nothing is new
        ("2024-03-30T12:00:00", "2024-03-31T22:00:00"),  # the next day has 23 hours
        ("2024-10-26T11:00:00", "2024-10-27T23:00:00"),  # the next day has 25 hours
        ("2024-10-27T11:44:00", "2024-10-27T23:00:00"),
        ("2024-10-27T11:45:00", "2024-10-28T23:00:00"),
    ],
)
def test_the_next_local_day_is_known_from_the_time_of_publication(utc: str, known_until: str) -> None:
    assert until(BRUSSELS, utc) == known_until


def test_where_the_clock_skips_or_repeats_the_time_of_publication_the_later_moment_counts() -> None:
    rule = DailyPublication.parse("02:30", "Europe/Brussels")
    # Spring: 02:30 does not exist, and 03:00 follows 01:59 at 01:00 UTC.
    assert until(rule, "2024-03-31T00:59:00") == "2024-03-31T22:00:00"
    assert until(rule, "2024-03-31T01:00:00") == "2024-04-01T22:00:00"
    # Autumn: 02:30 occurs at 00:30 and at 01:30 UTC.
    assert until(rule, "2024-10-27T00:45:00") == "2024-10-27T23:00:00"
    assert until(rule, "2024-10-27T01:30:00") == "2024-10-28T23:00:00"


@given(
    st.sampled_from(["Europe/Brussels", "America/Los_Angeles", "Australia/Lord_Howe", "America/Havana", "Etc/GMT-10"]),
    st.integers(0, 1439),
    st.datetimes(datetime(2024, 1, 1), datetime(2025, 12, 28)),
)
def test_known_ends_are_local_midnights_that_never_go_back(zone: str, minute: int, begin: datetime) -> None:
    rule = DailyPublication(minute, zone)
    times = np.datetime64(begin, "s") + np.timedelta64(900, "s") * np.arange(250)
    ends = rule.known_until(times)
    assert (np.diff(ends) >= np.timedelta64(0)).all()
    assert (ends > times).all()
    for end, time in zip(ends[::50].tolist(), times[::50].tolist(), strict=True):
        before = end - timedelta(seconds=1)
        last, after, now = (
            moment.replace(tzinfo=UTC).astimezone(zoneinfo.ZoneInfo(zone)).date() for moment in (before, end, time)
        )
        assert (after - last).days == 1
        assert (last - now).days in (0, 1)


def test_a_rule_may_have_a_clock_of_its_own() -> None:
    rule = DailyPublication.parse(" 9:05 Europe/Helsinki ", "Europe/Brussels")
    assert (rule.minute, rule.time_zone, str(rule)) == (545, "Europe/Helsinki", "09:05 the day before")


@pytest.mark.parametrize("text", ["", "noon", "24:00", "12:60", "12:45 Mars", "-1:00", "12:45:10"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 12:45|not an IANA time zone"):
        DailyPublication.parse(text, "UTC")


def test_rows_of_a_series_know_the_rows_of_the_next_day() -> None:
    series = make_series(
        np.zeros(120), 1.0, "2024-03-29T23:00", time_zone="Europe/Brussels", published={"price": BRUSSELS}
    )
    ends = known_ends(series, "price", 1)
    assert ends[:12].tolist() == [24] * 12
    assert ends[12:13].tolist() == [24]  # 12:00, before the publication
    assert ends[13:24].tolist() == [24 + 23] * 11  # 31 March has 23 hours
    assert ends[-1] == known_end(series, "price", 119, 0) > len(series)
    assert [known_end(series, "price", row, lag) for row in (0, 13, 120) for lag in (0, 1)] == [
        24,
        24,
        47,
        47,
        143,
        143,
    ]


def test_a_price_that_is_known_ahead_has_no_lag() -> None:
    plain = make_series(np.zeros(5))
    assert [known_lag(plain, lag) for lag in (0, 1)] == [0, 1]
    for rule in ({"lead_h": {"price": 12.0}}, {"published": {"price": BRUSSELS}}):
        series = make_series(np.zeros(5), **rule)
        assert is_known_ahead(series, "price")
        assert [known_lag(series, lag) for lag in (0, 1)] == [0, 0]
