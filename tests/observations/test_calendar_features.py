"""Features of the local clock."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.calendar_features import Calendar
from battery_lab.observations.market_history import History
from tests.small_batteries_and_series import make_series


def test_calendar_follows_the_local_clock():
    series = make_series(np.zeros(48), interval_h=1.0, start="2024-01-05T14:00", time_zone="Etc/GMT-10")
    calendar = Calendar(harmonics=1, week="fraction", year=False).build(History(series, 0, {}))
    # 14:00 UTC on Friday is midnight of Saturday ten hours east.
    np.testing.assert_allclose(calendar.values[0], [0, 1, 5 / 6], atol=1e-12)
    np.testing.assert_allclose(calendar.values[6], [1, 0, 5 / 6], atol=1e-12)


@pytest.mark.parametrize(
    ("harmonics", "week", "message"),
    [
        (0, "none", "Calendar must have harmonics, week or year"),
        (9, "none", "Calendar.harmonics must be a whole number from 0 to 8, got 9"),
        (1, "monthly", "Calendar.week must be one of cycle, fraction, none, got 'monthly'"),
    ],
)
def test_invalid_calendar_names_the_field_and_the_rule(harmonics, week, message):
    with pytest.raises(ConfigError, match=message):
        Calendar(harmonics=harmonics, week=week, year=False)
