"""What a runner saw, as whole arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.rllib.core.columns import Columns

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """T rows of N environments that one runner stepped together.

    Stands where RLlib hands a list of episodes from runners to learners and replay memories: one object a sampling.
    Environments begin anew on the step after an episode's end (gymnasium's ``NEXT_STEP``), so that ``obs[t + 1]`` is
    the true last observation of an episode that ended in row t, and row t + 1, in which that environment did nothing
    but reset, is not valid.

    Attributes:
        obs: (T + 1, N, ...) float32, what the policy saw in each row, and what it sees next.
        actions: (T, N, ...) as the policy gave them, before an environment's bounds.
        rewards: (T, N) float32.
        terminated: (T, N) whether the episode ended in a state without a future.
        truncated: (T, N) whether it was cut off.
        valid: (T, N) whether the row is a transition, and no reset.
        outputs: by RLlib's column name, (T, N, ...) what else the policy gave, for the learner.
        runner: which runner.
        row: rows that this runner stepped before, since it began.
    """

    obs: NDArray[np.float32]
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: Flags
    truncated: Flags
    valid: Flags
    outputs: Mapping[str, NDArray[np.float32]]
    runner: int
    row: int

    def __len__(self) -> int:
        """Transitions in it."""
        return self._steps

    def env_steps(self) -> int:
        """Transitions in it, by RLlib's name for them."""
        return self._steps

    def agent_steps(self) -> int:
        """Return the same: an environment has one agent."""
        return len(self)

    @cached_property
    def _steps(self) -> int:
        return int(np.count_nonzero(self.valid))

    @cached_property
    def ended(self) -> Flags:
        """(T, N) whether an episode ended."""
        return self.terminated | self.truncated

    def __getitem__(self, wanted: slice) -> Fragment:
        """Return the rows that hold about the first ``wanted.stop`` transitions; RLlib shares out data so."""
        return self._rows(0, self._rows_of(wanted.stop))

    def slice(self, wanted: slice, *, len_lookback_buffer: int | None = None) -> Fragment:  # noqa: A003
        """Return the rows that ``self[:wanted.start]`` left."""
        return self._rows(self._rows_of(wanted.start), len(self.valid))

    def _rows_of(self, steps: int) -> int:
        """Return how many rows hold at most so many transitions, but at least one row."""
        sums = np.cumsum(np.count_nonzero(self.valid, axis=1))
        return max(1, int(np.searchsorted(sums, steps, side="right")))

    def _rows(self, start: int, stop: int) -> Fragment:
        return replace(
            self,
            obs=self.obs[start : stop + 1],
            actions=self.actions[start:stop],
            rewards=self.rewards[start:stop],
            terminated=self.terminated[start:stop],
            truncated=self.truncated[start:stop],
            valid=self.valid[start:stop],
            outputs={name: values[start:stop] for name, values in self.outputs.items()},
            row=self.row + start,
        )

    def of_first_episodes(self, count: int) -> Fragment:
        """Return it with the first ``count`` episodes that ended alone, as transitions; all episodes begin in it."""
        kept = np.zeros_like(self.valid)
        rows, environments = (places[:count] for places in np.nonzero(self.ended))
        kept[rows, environments] = True
        # Up to the last of these ends: what ended before in the same environment is among the first as well.
        kept = np.logical_or.accumulate(kept[::-1], axis=0)[::-1]
        return replace(
            self, valid=self.valid & kept, terminated=self.terminated & kept, truncated=self.truncated & kept
        )


class Rows:
    """Arrays that rows are written into; they grow where episodes' ends make a sampling longer.

    Attributes:
        count: rows so far.
        obs: (capacity + 1, N, ...) of which ``count + 1`` are written.
        rewards: (capacity, N) of which ``count`` are written.
    """

    def __init__(self, capacity: int, first: NDArray[Any]) -> None:
        """Make room for so many rows that begin with a first observation, (N, ...)."""
        self.count = 0
        # What modules take, whatever an environment returns.
        self.obs = np.empty((capacity + 1, *first.shape), np.float32)
        self.obs[0] = first
        self.rewards = np.empty((capacity, len(first)), np.float32)
        self._flags = np.empty((3, capacity, len(first)), np.bool_)
        self._others: dict[str, NDArray[Any]] = {}

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        valid: NDArray[np.bool_],
        outputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """Write a row: what environments returned, what was done, and whether that was a transition, (N, ...)."""
        t = self.count
        if t == len(self.rewards):
            self._grow()
        self.obs[t + 1], self.rewards[t] = observation, reward
        self._flags[0, t], self._flags[1, t], self._flags[2, t] = terminated, truncated, valid
        self._keep(Columns.ACTIONS, action)
        for name, values in outputs.items():
            self._keep(name, values)
        self.count += 1

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._others:
            self._others[name] = np.empty((len(self.rewards), *values.shape), values.dtype)
        self._others[name][self.count] = values

    def _grow(self) -> None:
        more = max(1, len(self.rewards) // 4)
        self.obs, self.rewards = _longer(self.obs, more), _longer(self.rewards, more)
        self._flags = np.stack([_longer(flags, more) for flags in self._flags])
        self._others = {name: _longer(values, more) for name, values in self._others.items()}

    def fragment(self, runner: int, row: int) -> Fragment:
        """Return what was written; nothing is copied."""
        t = self.count
        terminated, truncated, valid = (flags[:t] for flags in self._flags)
        outputs = {name: values[:t] for name, values in self._others.items()}
        return Fragment(
            obs=self.obs[: t + 1],
            actions=outputs.pop(Columns.ACTIONS),
            rewards=self.rewards[:t],
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            outputs=outputs,
            runner=runner,
            row=row,
        )


def _longer(values: NDArray[Any], more: int) -> NDArray[Any]:
    return np.concatenate([values, np.empty((more, *values.shape[1:]), values.dtype)])
