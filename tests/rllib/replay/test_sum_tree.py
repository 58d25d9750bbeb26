"""Sum tree: it equals cumulative sums of a list, and never finds an empty slot."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.rllib.replay.sum_tree import SumTree

VALUES = st.sampled_from([0.0, 0.25, 1.0, 3.0])


@st.composite
def changes(draw):
    """Return a size and changes: values of consecutive slots, or of single slots."""
    size = draw(st.integers(1, 40))
    steps = []
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            first = draw(st.integers(0, size - 1))
            steps.append((first, draw(st.lists(VALUES, max_size=size - first))))
        else:
            slots = draw(st.lists(st.integers(0, size - 1), max_size=10))
            steps.append((slots, [draw(VALUES) for _ in slots]))
    return size, steps


@given(changes(), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_find_equals_a_search_of_cumulative_sums(script, shares):
    size, steps = script
    tree, values = SumTree(size), np.zeros(size)
    for where, new in steps:
        if isinstance(where, int):
            tree.set_range(where, np.array(new))
            values[where : where + len(new)] = new
        else:
            tree.set(np.array(where, np.int64), np.array(new))
            for slot, value in zip(where, new, strict=True):
                values[slot] = value
    np.testing.assert_array_equal(tree.values, values)
    assert tree.total == values.sum()
    assert tree.minimum == values[values > 0].min(initial=np.inf)
    if values.any():
        sums = np.array(shares) * tree.total
        np.testing.assert_array_equal(tree.find(sums), np.searchsorted(np.cumsum(values), sums, side="right"))


def test_rounding_errors_never_find_an_empty_slot():
    tree = SumTree(8)
    tree.set(np.array([1, 4]), np.array([0.1, 0.2]))
    assert tree.find(np.array([0.0, tree.total, 2 * tree.total])).tolist() == [1, 4, 4]
