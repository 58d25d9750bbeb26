"""Time split: training, validation and test period, days that are skipped, and where an episode fits."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError, DataError
from tests.envs.small_world import make_world
from tests.small_batteries_and_series import make_series, wavy_prices


def hold(observation):
    return np.ones(len(observation), np.int64)


def test_time_is_split_into_training_then_validation_then_test(tmp_path):
    world = make_world(tmp_path)
    validation, test = world.problem("validation"), world.problem("test")
    assert validation.train_end == validation.first == 17 * 288
    assert validation.end == test.first == 20 * 288
    assert test.end == 24 * 288
    assert test.train_end == 17 * 288


def test_a_short_market_is_rejected_with_the_needed_length(tmp_path):
    with pytest.raises(DataError, match=r"holds 8\.0 days, and the split needs at least 9\.0: 4 for test.*3 for valid"):
        make_world(tmp_path, series=make_series(wavy_prices(8)))


def test_skipped_days_at_the_end_are_as_if_the_data_ended_earlier(tmp_path):
    prices = wavy_prices(30)
    skipped = make_world(tmp_path, series=make_series(prices), skip_last_days=6)
    shorter = make_world(tmp_path, series=make_series(prices[: 24 * 288]))
    assert skipped.summary() == shorter.summary()
    assert skipped.digest == shorter.digest
    assert skipped.evaluate(hold, "test").frame.equals(shorter.evaluate(hold, "test").frame)


@pytest.mark.parametrize("days", [22, 24, 1000])
def test_too_many_skipped_days_are_rejected_with_the_length_that_is_left(tmp_path, days):
    left = max(0, 24 - days)
    with pytest.raises(DataError, match=rf"holds {left}\.0 days .*env\.skip_last_days={days}"):
        make_world(tmp_path, skip_last_days=days)


def test_an_episode_that_does_not_fit_between_gaps_is_rejected(tmp_path):
    gap = np.zeros(24 * 288, bool)
    gap[: 17 * 288 : 288] = True
    with pytest.raises(ConfigError, match=r"env\.episode_days must fit between two gaps"):
        make_world(tmp_path, series=make_series(wavy_prices(24), gap=gap))


def test_an_episode_shorter_than_an_interval_is_rejected(tmp_path):
    with pytest.raises(ConfigError, match="env.episode_days must be at least one interval"):
        make_world(tmp_path, episode_days=0.001)
