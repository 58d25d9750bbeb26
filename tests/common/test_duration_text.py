"""Durations as text."""

import pytest

from battery_lab.common.duration_text import clock, in_words


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3661, "1:01:01")])
def test_clock_shows_hours_only_where_needed(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "words"), [(42.4, "42 s"), (59.6, "1 min 0 s"), (111, "1 min 51 s"), (7500, "2 h 5 min")]
)
def test_words_use_the_two_largest_units(seconds, words):
    assert in_words(seconds) == words
