"""What a runner saw, as whole arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """T rows of N environments that one runner stepped together.

    Stands where RLlib hands a list of episodes from runners to learners and replay memories: one object a sampling.
    Environments begin anew on the step after an episode's end (gymnasium's ``NEXT_STEP``), so that ``obs[t + 1]`` is
    the true last observation of an episode that ended in row t, and row t + 1, in which that environment did nothing
    but reset, is not valid.

    Attributes:
        obs: (T + 1, N, ...) what the policy saw in each row, and what it sees next.
        actions: (T, N, ...) as the policy gave them, before an environment's bounds.
        rewards: (T, N) float32.
        terminated: (T, N) whether the episode ended in a state without a future.
        truncated: (T, N) whether it was cut off.
        valid: (T, N) whether the row is a transition, and no reset.
        outputs: by RLlib's column name, (T, N, ...) what else the policy gave, for the learner.
        runner: which runner.
        row: rows that this runner stepped before, since it began.
        weights: the number of the weights that it acted with.
    """

    obs: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: Flags
    truncated: Flags
    valid: Flags
    outputs: Mapping[str, NDArray[np.float32]]
    runner: int
    row: int
    weights: int

    def __len__(self) -> int:
        """Transitions in it."""
        return self._steps

    def env_steps(self) -> int:
        """Transitions in it, by RLlib's name for them."""
        return self._steps

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
