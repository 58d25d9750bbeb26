"""Observers: the SoC columns, and the errors of invalid rows and energies."""

from __future__ import annotations

import numpy as np
import pytest

from tests.observations.observers import DAYS, market, observe


def test_soc_ranges_from_minus_one_to_one_and_marks_the_limits():
    observer = observe("compact", market())
    seen = observer(np.zeros(3, int), np.array([4.0, 20.0, 36.0]))
    np.testing.assert_allclose(seen[:, :2], [[-1, -1], [0, 0], [1, 1]], atol=1e-6)


@pytest.mark.parametrize("row", [-1, DAYS * 288])
def test_row_outside_the_series_is_an_error(row):
    observer = observe("window", market())
    with pytest.raises(IndexError, match=f"0 to {DAYS * 288 - 1}, got {row}"):
        observer(np.array([0, row]), np.full(2, 20.0))


def test_rows_and_energies_of_different_length_are_an_error():
    with pytest.raises(ValueError, match=r"the same shape, got \(3,\) and \(1,\)"):
        observe("window", market())(np.arange(3), np.full(1, 20.0))
