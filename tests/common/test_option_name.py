"""Option names: written as in conf/."""

from __future__ import annotations

import pytest

from battery_lab.common.option_name import option_name


@pytest.mark.parametrize(
    ("class_name", "name"), [("PPO", "ppo"), ("BidCurves", "bid_curves"), ("DoubleDQN", "double_dqn"), ("", "")]
)
def test_words_of_a_class_name_are_separated(class_name, name):
    assert option_name(class_name) == name
