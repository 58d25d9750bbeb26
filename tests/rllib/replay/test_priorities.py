"""Priorities: empty slots are never sampled, new transitions get the largest so far, and others keep theirs."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.rllib.replay.priorities import Priorities


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


def test_infinite_and_nan_errors_keep_priorities():
    priorities, slots = Priorities(3, alpha=1.0, beta=1.0), np.array([0, 1])
    priorities.reset(0, np.ones(3, bool))
    priorities.update(slots, np.array([0.5, np.nan]))
    np.testing.assert_allclose(priorities.tree.values, [0.5, 1, 1], atol=1e-5)
    before = priorities.tree.values.copy()
    priorities.update(slots, np.array([np.inf, -np.inf]))
    assert np.array_equal(priorities.tree.values, before) and priorities.largest == 1
