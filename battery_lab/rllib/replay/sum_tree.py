"""Sum tree: values by slot with a search by cumulative sum (Schaul et al. 2016, appendix B.2.1)."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

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
