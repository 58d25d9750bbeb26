"""Advantages: generalised advantage estimates, computed by hand."""

from __future__ import annotations

import numpy as np

from battery_lab.rllib.learners.advantages import generalised_advantage_estimates


def test_advantages_by_hand():
    rewards = np.array([[1.0], [2.0], [0.0], [3.0]], np.float32)
    values = np.array([[10.0], [20.0], [30.0], [40.0], [50.0]], np.float32)
    truncated = np.array([[False], [True], [False], [False]])
    valid = np.array([[True], [True], [False], [True]])
    none = np.zeros((4, 1), bool)
    found = generalised_advantage_estimates(rewards, values, none, truncated, valid, 0.5, 0.5)
    # Truncation bootstraps from the value of the last observation, 30; nothing passes through the reset.
    assert found[:, 0].tolist() == [1 + 10 - 10 + 0.25 * (2 + 15 - 20), 2 + 15 - 20, 0, 3 + 25 - 40]
    ended = generalised_advantage_estimates(rewards, values, truncated, truncated, valid, 0.5, 0.5)
    assert ended[:, 0].tolist() == [1 + 10 - 10 + 0.25 * (2 - 20), 2 - 20, 0, 3 + 25 - 40]
