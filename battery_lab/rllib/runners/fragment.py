"""Fragments: the transitions that one runner sampled, as whole arrays."""

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

    It replaces the list of episodes that RLlib passes from runners to learners and replay buffers. Environments reset
    on the step after the end of an episode (gymnasium's ``NEXT_STEP``): ``obs[t + 1]`` is the final observation of an
    episode that ended in row t, and row t + 1, in which the environment only reset, is not valid.

    Attributes:
        obs: (T + 1, N, ...) float32 observation before each row, and after the last one.
        actions: (T, N, ...) actions of the policy, before they are fitted to the environment's bounds.
        rewards: (T, N) float32.
        terminated: (T, N) whether the episode ended in a terminal state.
        truncated: (T, N) whether the episode was cut off.
        valid: (T, N) whether the row is a transition and not a reset.
        outputs: further outputs of the policy for the learner, (T, N, ...), by RLlib's column name.
        runner: index of the runner.
        row: number of rows that the runner had stepped before this fragment.
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
        """Number of transitions."""
        return self._steps

    def env_steps(self) -> int:
        """Return the number of transitions, under RLlib's name."""
        return self._steps

    def agent_steps(self) -> int:
        """Return the number of transitions: an environment has one agent."""
        return len(self)

    @cached_property
    def _steps(self) -> int:
        return int(np.count_nonzero(self.valid))

    @cached_property
    def ended(self) -> Flags:
        """(T, N) whether an episode ended."""
        return self.terminated | self.truncated

    def __getitem__(self, steps: slice) -> Fragment:
        """Return the rows with about the first ``steps.stop`` transitions; RLlib splits data among learners so."""
        return self._rows(0, self._rows_of(steps.stop))

    def slice(self, steps: slice, *, len_lookback_buffer: int | None = None) -> Fragment:  # noqa: A003
        """Return the rows that ``self[: steps.start]`` leaves."""
        return self._rows(self._rows_of(steps.start), len(self.valid))

    def _rows_of(self, steps: int) -> int:
        """Return the number of rows that hold at most ``steps`` transitions, at least 1."""
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

    def first_episodes(self, count: int) -> Fragment:
        """Return a fragment in which only the first ``count`` finished episodes are valid.

        All episodes must begin in this fragment.
        """
        kept = np.zeros_like(self.valid)
        rows, environments = (places[:count] for places in np.nonzero(self.ended))
        kept[rows, environments] = True
        # Keep each environment's rows up to the last of these ends: earlier ends are among the first ``count`` too.
        kept = np.logical_or.accumulate(kept[::-1], axis=0)[::-1]
        return replace(
            self, valid=self.valid & kept, terminated=self.terminated & kept, truncated=self.truncated & kept
        )


class FragmentBuilder:
    """Collects rows in arrays, which grow if resets make a sample longer than expected.

    Attributes:
        count: number of rows so far.
        obs: (capacity + 1, N, ...), of which ``count + 1`` are filled.
        rewards: (capacity, N), of which ``count`` are filled.
    """

    def __init__(self, capacity: int, first: NDArray[Any]) -> None:
        """Allocate ``capacity`` rows; ``first`` is the first observation, (N, ...)."""
        self.count = 0
        # Modules need float32, whatever the environment returns.
        self.obs = np.empty((capacity + 1, *first.shape), np.float32)
        self.obs[0] = first
        self.rewards = np.empty((capacity, len(first)), np.float32)
        self._flags = np.empty((3, capacity, len(first)), np.bool_)
        self._columns: dict[str, NDArray[Any]] = {}

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
        """Append a row: an action, the result of the step, and whether it was a transition, (N, ...) each."""
        t = self.count
        if t == len(self.rewards):
            self._grow()
        self.obs[t + 1], self.rewards[t] = observation, reward
        self._flags[0, t], self._flags[1, t], self._flags[2, t] = terminated, truncated, valid
        self._store(Columns.ACTIONS, action)
        for name, values in outputs.items():
            self._store(name, values)
        self.count += 1

    def _store(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._columns:
            self._columns[name] = np.empty((len(self.rewards), *values.shape), values.dtype)
        self._columns[name][self.count] = values

    def _grow(self) -> None:
        more = max(1, len(self.rewards) // 4)
        self.obs, self.rewards = _extended(self.obs, more), _extended(self.rewards, more)
        self._flags = np.stack([_extended(flags, more) for flags in self._flags])
        self._columns = {name: _extended(values, more) for name, values in self._columns.items()}

    def fragment(self, runner: int, row: int) -> Fragment:
        """Return the rows as a fragment, without copying them."""
        t = self.count
        terminated, truncated, valid = (flags[:t] for flags in self._flags)
        outputs = {name: values[:t] for name, values in self._columns.items()}
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


def _extended(values: NDArray[Any], more: int) -> NDArray[Any]:
    return np.concatenate([values, np.empty((more, *values.shape[1:]), values.dtype)])
