"""Unknown numbers of an observation: a bid that would need them is refused, with their names."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.unknown_and_stale_numbers import refuse_unknown
from tests.envs.battery.test_interval_lookup import SERIES


def test_an_observation_of_unknown_values_is_refused():
    refuse_unknown({"price 0 min ago": 1.0}, SERIES, SERIES.local_start[5])
    observation = {"price 0 min ago": 1.0, "forecast +1 h": np.nan, "forecast +2 h": np.nan}
    with pytest.raises(
        DataError, match=r"the policy observes 'forecast \+1 h' and 1 more, and market TEST, which ends"
    ):
        refuse_unknown(observation, SERIES, SERIES.local_start[5])
