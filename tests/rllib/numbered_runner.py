"""A runner with unique observations, and a slow reference replay buffer."""

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


class ReferenceReplay:
    """A slow replay buffer: a list of rows per runner and environment, with None where a runner restarted."""

    def __init__(self, rows, n_step, gamma):
        """Start empty; each list keeps ``rows`` rows."""
        self.rows, self.n_step, self.gamma = rows, n_step, gamma
        self.lists, self.next_row = {}, {}

    def add(self, fragment):
        restarted = self.next_row.get(fragment.runner, fragment.row) != fragment.row
        self.next_row[fragment.runner] = fragment.row + len(fragment.valid)
        for env in range(fragment.valid.shape[1]):
            rows = self.lists.setdefault((fragment.runner, env), [])
            rows += [None] * restarted
            rows += [self.row(fragment, t, env) for t in range(len(fragment.valid))]
            del rows[: -self.rows]

    def row(self, fragment, t, env):
        columns = ("actions", "rewards", "terminated", "truncated", "valid")
        values = {name: getattr(fragment, name)[t, env] for name in columns}
        return values | {"obs": fragment.obs[t, env], "next": fragment.obs[t + 1, env]}

    def transitions(self):
        """Return all transitions by observation: action, next observation, reward, terminated, number of steps."""
        return {
            tuple(row["obs"]): self.summed(rows[i : i + self.n_step])
            for rows in self.lists.values()
            for i, row in enumerate(rows)
            if row and row["valid"]
        }

    def summed(self, rows):
        reward, discount, steps = 0.0, 1.0, 0
        for row in rows:
            if row is None or not row["valid"]:
                break
            reward += discount * float(row["rewards"])
            discount *= self.gamma
            steps += 1
            last = row
            if row["terminated"] or row["truncated"]:
                break
        return int(rows[0]["actions"]), tuple(last["next"]), np.float32(reward), bool(last["terminated"]), steps


def sampled_transitions(batch):
    """Return sampled transitions by observation, as ReferenceReplay does, and their counts."""
    columns = [batch[name] for name in ("actions", "new_obs", "rewards", "terminateds", "n_step")]
    unique, places, counts = np.unique(batch["obs"], axis=0, return_index=True, return_counts=True)
    transitions = {}
    for obs, i in zip(map(tuple, unique), places, strict=True):
        action, new, reward, terminated, steps = (column[i] for column in columns)
        transitions[obs] = (int(action), tuple(new), reward, bool(terminated), int(steps))
    return transitions, dict(zip(transitions, counts, strict=True))
