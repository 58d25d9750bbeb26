"""Snake case: names of classes as in conf/."""

from __future__ import annotations

import pytest

from battery_lab.common.snake_case import snake_case


@pytest.mark.parametrize(
    ("class_name", "name"), [("PPO", "ppo"), ("BidCurves", "bid_curves"), ("DoubleDQN", "double_dqn"), ("", "")]
)
def test_words_of_a_class_name_are_separated(class_name, name):
    assert snake_case(class_name) == name
