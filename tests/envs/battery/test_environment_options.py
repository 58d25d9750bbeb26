"""Options of the battery environment: an invalid one is rejected by its name."""

from __future__ import annotations

import pytest

from battery_lab.common.errors import ConfigError
from tests.envs.small_world import make_option


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price_lag": 2}, "env.price_lag"),
        ({"episode_days": 0}, "env.episode_days"),
        ({"validation_days": 0}, "env.validation_days"),
        ({"test_days": 0}, "env.test_days"),
        ({"skip_last_days": -1}, "env.skip_last_days"),
        ({"max_filled_h": -1.0}, "env.max_filled_h must be 0 or more hours or null"),
        ({"actions": "both"}, "env.actions"),
        ({"action_levels": 4}, "env.action_levels must be an odd number"),
        ({"action_levels": 1}, "env.action_levels"),
        ({"action_levels": 203}, "env.action_levels"),
        ({"bid_levels": 1}, "env.bid_levels must be a whole number from 2 to 50"),
        ({"bid_levels": 51}, "env.bid_levels"),
        ({"baselines": {}}, "env.baselines"),
    ],
)
def test_an_invalid_option_is_rejected_by_name(tmp_path, change, named):
    with pytest.raises(ConfigError, match=named):
        make_option(tmp_path, **change)
