"""Draws in proportion to priorities, by sums in a binary tree (Schaul et al. 2016, appendix B.2.1)."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

SMALLEST_ERROR = 1e-6
FIRST_PRIORITY = 1.0

Array = NDArray[np.float64]
Slots = NDArray[np.int64]


class SumTree:
    """Values by slot, whose sum, least and places by cumulative sum are found in O(log n).

    A value of 0 means that the slot is empty.
    """

    def __init__(self, size: int) -> None:
        """Make all slots empty."""
        self.size = size
        # Node i has the children 2 i and 2 i + 1; the root is node 1, the slots are the second half.
        self._slots = 1 << max(size - 1, 1).bit_length()
        self._sums = np.zeros(2 * self._slots)
        self._least = np.full(2 * self._slots, np.inf)

    @property
    def values(self) -> Array:
        """(size,) a view of the values, to read."""
        return self._sums[self._slots : self._slots + self.size]

    @property
    def total(self) -> float:
        """The sum of all values."""
        return float(self._sums[1])

    @property
    def least(self) -> float:
        """The least value that is not 0; infinite where all are."""
        return float(self._least[1])

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._sums.nbytes + self._least.nbytes

    def put(self, slots: Slots, values: Array) -> None:
        """Set the values of some slots; of a slot that comes twice, the last value stays."""
        _put(self._sums, self._least, slots, values)

    def fill(self, first: int, values: Array) -> None:
        """Set the values of slots that follow one another."""
        if len(values):
            _fill(self._sums, self._least, first, values)

    def find(self, sums: Array) -> Slots:
        """Return the slots in which the values' cumulative sum passes each of ``sums``, never an empty one."""
        return _find(self._sums, sums)


class Priorities:
    """What is drawn by its last error.

    Draws are stratified: one of each of as many equal shares of the sum as are drawn.

    Args:
        size: slots.
        alpha: how much the error counts: a priority is ``(|error| + 1e-6) ** alpha``.
        beta: how far weights correct for it: a weight is ``(least priority in the memory / priority) ** beta``, which
            is ``(N P) ** -beta`` over the largest such (RLlib's meaning).
    """

    def __init__(self, size: int, *, alpha: float, beta: float) -> None:
        """Make all slots empty."""
        self.alpha, self.beta = alpha, beta
        self.tree = SumTree(size)
        self.largest = FIRST_PRIORITY

    def begin(self, first: int, filled: NDArray[np.bool_]) -> None:
        """Give slots that follow one another the largest priority so far, or none where they are not filled."""
        self.tree.fill(first, np.where(filled, self.largest**self.alpha, 0.0))

    def learn(self, slots: Slots, errors: NDArray[np.floating]) -> None:
        """Set the priorities of slots by their errors.

        Slots that were emptied since stay empty, and those whose errors are not finite keep their priorities: the step
        that found such errors was left out, and a learner that finds nothing else ends the run.
        """
        priorities = np.abs(np.asarray(errors, np.float64)) + SMALLEST_ERROR
        known = (self.tree.values[slots] > 0) & np.isfinite(priorities)
        self.tree.put(slots[known], priorities[known] ** self.alpha)
        self.largest = max(self.largest, float(priorities[known].max(initial=0.0)))

    def restore(self, values: Array, largest: float) -> None:
        """Set all priorities, and the largest there was, as they were stored."""
        self.tree.fill(0, np.array(values))
        self.largest = largest

    def draw(self, generator: np.random.Generator, batch: int) -> tuple[Slots, NDArray[np.float32]]:
        """Return slots, in their order, and their weights."""
        shares = (np.arange(batch) + generator.random(batch)) / batch
        slots = self.tree.find(shares * self.tree.total)
        weights = (self.tree.least / self.tree.values[slots]) ** self.beta
        return slots, weights.astype(np.float32)


@nb.njit(cache=True)
def _join(sums: Array, least: Array, node: int) -> None:
    sums[node] = sums[2 * node] + sums[2 * node + 1]
    least[node] = min(least[2 * node], least[2 * node + 1])


@nb.njit(cache=True)
def _set(sums: Array, least: Array, node: int, value: float) -> None:
    sums[node] = value
    least[node] = value if value > 0 else np.inf


@nb.njit(cache=True)
def _put(sums: Array, least: Array, slots: Slots, values: Array) -> None:
    for i in range(len(slots)):
        node = len(sums) // 2 + slots[i]
        _set(sums, least, node, values[i])
        while node > 1:
            node //= 2
            _join(sums, least, node)


@nb.njit(cache=True)
def _fill(sums: Array, least: Array, first: int, values: Array) -> None:
    low = len(sums) // 2 + first
    high = low + len(values) - 1
    for i in range(len(values)):
        _set(sums, least, low + i, values[i])
    while low > 1:
        low //= 2
        high //= 2
        for node in range(low, high + 1):
            _join(sums, least, node)


@nb.njit(cache=True)
def _find(sums: Array, wanted: Array) -> Slots:
    # All go down level by level: without branches, and waiting for memory together and not each in turn.
    nodes, rest = np.ones(len(wanted), np.int64), wanted.copy()
    for _ in range(int(np.log2(len(sums))) - 1):
        for i in range(len(wanted)):
            left = 2 * nodes[i]
            # Rounding may ask for more than there is, which must not lead to an empty slot.
            right = (rest[i] >= sums[left]) & (sums[left + 1] > 0)
            rest[i] -= sums[left] * right
            nodes[i] = left + right
    return nodes - len(sums) // 2
