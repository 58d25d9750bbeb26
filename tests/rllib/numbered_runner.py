"""Numbered runner: every observation is unique, so that tests can tell where it went."""

from __future__ import annotations

import numpy as np

from battery_lab.rllib.runners.fragment import Fragment


class NumberedRunner:
    """Steps environments that end at random; an observation is (runner, restart, environment, row)."""

    def __init__(self, runner=0, num_envs=2, seed=0, end_rate=0.1):
        """Start at row 0."""
        self.runner, self.num_envs, self.end_rate = runner, num_envs, end_rate
        self.random = np.random.default_rng(seed)
        self.start = -1
        self.restart()

    def restart(self):
        self.start += 1
        self.row = 0
        self.resetting = np.zeros(self.num_envs, bool)

    def fragment(self, rows):
        valid, ends = np.ones((rows, self.num_envs), bool), np.zeros((rows, self.num_envs), int)
        for t in range(rows):
            valid[t] = ~self.resetting
            ends[t] = valid[t] * (self.random.random(self.num_envs) < self.end_rate) * self.random.integers(1, 4)
            self.resetting = ends[t] > 0
        obs = np.zeros((rows + 1, self.num_envs, 4), np.float32)
        obs[..., 0], obs[..., 1], obs[..., 2] = self.runner, self.start, np.arange(self.num_envs)
        obs[..., 3] = self.row + np.arange(rows + 1)[:, None]
        fragment = Fragment(
            obs=obs,
            actions=self.random.integers(0, 9, (rows, self.num_envs)),
            rewards=self.random.normal(size=(rows, self.num_envs)).astype(np.float32),
            terminated=(ends & 1) > 0,
            truncated=(ends & 2) > 0,
            valid=valid,
            outputs={},
            runner=self.runner,
            row=self.row,
        )
        self.row += rows
        return fragment
