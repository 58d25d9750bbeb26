"""Reference replay: a slow replay buffer of plain lists, to compare with."""

from __future__ import annotations

import numpy as np


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
