"""Sum tree: sampling in proportion to priorities (Schaul et al. 2016, appendix B.2.1)."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

SMALLEST_ERROR = 1e-6
FIRST_PRIORITY = 1.0

Array = NDArray[np.float64]
SlotIndices = NDArray[np.int64]


class SumTree:
    """Values by slot, with their sum, their minimum and a search by cumulative sum in O(log n).

    A value of 0 means that the slot is empty.
    """

    def __init__(self, size: int) -> None:
        """Make all slots empty."""
        self.size = size
        # Node i has the children 2 i and 2 i + 1; the root is node 1, and the leaves are the second half.
        self._leaves = 1 << max(size - 1, 1).bit_length()
        self._sums = np.zeros(2 * self._leaves)
        self._minimums = np.full(2 * self._leaves, np.inf)

    @property
    def values(self) -> Array:
        """Read-only view of the values, (size,)."""
        return self._sums[self._leaves : self._leaves + self.size]

    @property
    def total(self) -> float:
        """Sum of all values."""
        return float(self._sums[1])

    @property
    def minimum(self) -> float:
        """Smallest value that is not 0; infinite if all are 0."""
        return float(self._minimums[1])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self._sums.nbytes + self._minimums.nbytes

    def set(self, slots: SlotIndices, values: Array) -> None:
        """Set the values of slots; if a slot occurs twice, its last value counts."""
        _set(self._sums, self._minimums, slots, values)

    def set_range(self, first: int, values: Array) -> None:
        """Set the values of consecutive slots."""
        if len(values):
            _set_range(self._sums, self._minimums, first, values)

    def find(self, sums: Array) -> SlotIndices:
        """Return the slots in which the cumulative sum of the values exceeds each of ``sums``; never an empty slot."""
        return _find(self._sums, sums)


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


@nb.njit(cache=True)
def _update_parent(sums: Array, minimums: Array, node: int) -> None:
    sums[node] = sums[2 * node] + sums[2 * node + 1]
    minimums[node] = min(minimums[2 * node], minimums[2 * node + 1])


@nb.njit(cache=True)
def _set_leaf(sums: Array, minimums: Array, node: int, value: float) -> None:
    sums[node] = value
    minimums[node] = value if value > 0 else np.inf


@nb.njit(cache=True)
def _set(sums: Array, minimums: Array, slots: SlotIndices, values: Array) -> None:
    for i in range(len(slots)):
        node = len(sums) // 2 + slots[i]
        _set_leaf(sums, minimums, node, values[i])
        while node > 1:
            node //= 2
            _update_parent(sums, minimums, node)


@nb.njit(cache=True)
def _set_range(sums: Array, minimums: Array, first: int, values: Array) -> None:
    low = len(sums) // 2 + first
    high = low + len(values) - 1
    for i in range(len(values)):
        _set_leaf(sums, minimums, low + i, values[i])
    while low > 1:
        low //= 2
        high //= 2
        for node in range(low, high + 1):
            _update_parent(sums, minimums, node)


@nb.njit(cache=True)
def _find(sums: Array, targets: Array) -> SlotIndices:
    # All searches descend level by level: there are no branches, and memory accesses overlap.
    nodes, rest = np.ones(len(targets), np.int64), targets.copy()
    for _ in range(int(np.log2(len(sums))) - 1):
        for i in range(len(targets)):
            left = 2 * nodes[i]
            # Rounding errors must not lead to an empty slot.
            right = (rest[i] >= sums[left]) & (sums[left + 1] > 0)
            rest[i] -= sums[left] * right
            nodes[i] = left + right
    return nodes - len(sums) // 2
