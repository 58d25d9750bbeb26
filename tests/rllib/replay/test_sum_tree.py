"""Sum tree: it equals cumulative sums of a list, and never finds an empty slot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.rllib.replay.sum_tree import Priorities, SumTree

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


def test_emptied_slots_stay_empty():
    priorities = Priorities(4, alpha=0.5, beta=0.5)
    priorities.reset(0, np.array([True, True, True, True]))
    priorities.reset(1, np.array([False]))
    priorities.update(np.array([1, 2]), np.array([5.0, 4.0]))
    np.testing.assert_allclose(priorities.tree.values, [1, 0, 2, 1], rtol=1e-6)
    slots, weights = priorities.sample(np.random.default_rng(0), 400)
    assert np.bincount(slots).tolist() == [100, 0, 200, 100]
    np.testing.assert_allclose(weights, np.where(slots == 2, 0.5**0.5, 1), rtol=1e-6)


def test_largest_priority_never_falls():
    priorities = Priorities(2, alpha=1.0, beta=1.0)
    priorities.reset(0, np.array([True, True]))
    priorities.update(np.array([0]), np.array([-7.0]))
    priorities.update(np.array([0]), np.array([0.0]))
    priorities.update(np.empty(0, np.int64), np.empty(0))
    priorities.reset(1, np.array([True]))
    assert priorities.tree.values.tolist() == pytest.approx([1e-6, 7 + 1e-6])
