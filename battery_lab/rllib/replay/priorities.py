"""Priorities of a replay buffer, from TD errors, and sampling in proportion to them (Schaul et al. 2016)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from battery_lab.rllib.replay.sum_tree import Array, SlotIndices, SumTree

SMALLEST_ERROR = 1e-6
FIRST_PRIORITY = 1.0


class Priorities:
    """Priorities by slot, from the last TD errors.

    Sampling is stratified: the sum of the priorities is divided into as many equal ranges as samples.

    Args:
        size: number of slots.
        alpha: exponent of the priorities: a priority is ``(|error| + 1e-6) ** alpha``.
        beta: exponent of the importance weights: a weight is ``(minimum priority / priority) ** beta``, which equals
            ``(N P) ** -beta`` divided by its maximum over the buffer (RLlib's definition).
    """

    def __init__(self, size: int, *, alpha: float, beta: float) -> None:
        """Make all slots empty."""
        self.alpha, self.beta = alpha, beta
        self.tree = SumTree(size)
        self.largest = FIRST_PRIORITY

    def reset(self, first: int, filled: NDArray[np.bool_]) -> None:
        """Set consecutive slots to the largest priority so far, or to 0 where they are not filled."""
        self.tree.set_range(first, np.where(filled, self.largest**self.alpha, 0.0))

    def update(self, slots: SlotIndices, errors: NDArray[np.floating]) -> None:
        """Set the priorities of slots from their TD errors.

        Slots that have been emptied since stay empty. Errors that are not finite change nothing: the learner skips such
        a gradient step, and stops the run if they persist.
        """
        priorities = np.abs(np.asarray(errors, np.float64)) + SMALLEST_ERROR
        valid = (self.tree.values[slots] > 0) & np.isfinite(priorities)
        self.tree.set(slots[valid], priorities[valid] ** self.alpha)
        self.largest = max(self.largest, float(priorities[valid].max(initial=0.0)))

    def restore(self, values: Array, largest: float) -> None:
        """Restore all priorities and the largest priority so far."""
        self.tree.set_range(0, np.array(values))
        self.largest = largest

    def sample(self, generator: np.random.Generator, batch: int) -> tuple[SlotIndices, NDArray[np.float32]]:
        """Return sampled slots in ascending order, and their importance weights."""
        shares = (np.arange(batch) + generator.random(batch)) / batch
        slots = self.tree.find(shares * self.tree.total)
        weights = (self.tree.minimum / self.tree.values[slots]) ** self.beta
        return slots, weights.astype(np.float32)
