"""Bid curves on a series with gaps: slices end there, and the battery is idle in between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.algos.bid_curve_learner import slices
from tests.algos.small_bid_curves import Recording, iterate, make_learner, solve
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

GAPS = ((700, 701), (1500, 1500 + 30 * 12), (3000, 3100))


@given(
    rows=st.integers(1, 3000),
    longest=st.integers(2, 2000),
    batch=st.integers(1, 30),
    cuts=st.lists(st.integers(1, 2999), unique=True, max_size=20),
)
def test_slices_end_at_every_cut(rows, longest, batch, cuts):
    cuts = sorted(cut for cut in cuts if cut < rows)
    parts = slices(rows, longest, batch, cuts)
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(rows))
    assert set(cuts) <= {part.start for part in parts}
    assert min(part.stop - part.start for part in parts) >= 1
    assert max(part.stop - part.start for part in parts) <= longest


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A world of a battery that loses energy, on a series with gaps: one interval, more than a day, hours."""
    series, battery = make_series(wavy_prices(24)), make_battery(self_discharge_per_day=0.2)
    for first, end in GAPS:
        series.gap[first:end] = True
    return make_option(tmp_path_factory.mktemp("broken"), series, battery=battery, actions="bids").open("continuous")


def test_no_slice_contains_a_gap(broken):
    recordings = []

    def recorded(levels, knots):
        recordings.append(Recording(broken.bidding_problem(levels, knots)))
        return recordings[-1]

    learner = make_learner(broken, wrap=recorded)
    while learner.env_steps < len(recordings[0].rows):
        learner.train()
    rows = [recordings[0].rows[first:end] for first, end in sorted(recordings[0].parts)]
    assert all((np.diff(part) == 1).all() for part in rows)
    ends = [(int(before[-1]) + 1, int(after[0])) for before, after in pairwise(rows) if after[0] != before[-1] + 1]
    assert tuple(ends) == GAPS


def test_over_a_gap_the_battery_keeps_its_energy_less_self_discharge(broken):
    problem, rng = broken.bidding_problem(40, 3), np.random.default_rng(0)
    value, uniform = problem.first_values()  # the value is proportional to stored energy
    for intervals in (1, 7, 288, 3000):
        left = 0.8 ** (intervals / 288)
        at = rng.random(len(uniform)) * (uniform > 0)
        at /= at.sum()
        after = problem.occupancy_over_gap(at, intervals)
        assert after.sum() == pytest.approx(1) and after.min() >= 0
        assert after @ value == pytest.approx(left * (at @ value), rel=1e-9)
        other = rng.normal(size=len(value))
        assert problem.value_over_gap(other, intervals) @ at == pytest.approx(other @ after)


@pytest.mark.parametrize("intervals", [1, 3000])
def test_without_self_discharge_a_gap_changes_nothing_to_the_bit(bids, intervals):
    problem, values = bids.bidding_problem(40, 3), np.random.default_rng(0).random(40)
    np.testing.assert_array_equal(problem.value_over_gap(values, intervals), values)
    np.testing.assert_array_equal(problem.occupancy_over_gap(values, intervals), values)


def test_carried_values_and_occupancies_are_those_of_a_path_with_an_idle_battery_in_its_gaps(broken):
    unchanged = {"lr": 1e-30, "lr_end": 0.0, "weight_decay": 0.0, "sharpness": 4.0, "sharpness_end": 4.0}
    learner = make_learner(broken, slice_intervals=2000, batch_slices=1, **unchanged)
    problem, gaps = learner.problem, [end - first for first, end in GAPS]
    cuts = [0, *(np.flatnonzero(np.diff(problem.rows) > 1) + 1), len(problem.rows)]
    for _ in range(8):
        iterate(learner, len(learner.value_end))
    value, expected = problem.first_values()[0], []
    for number in (3, 2, 1):
        piece = slice(int(cuts[number]), int(cuts[number + 1]))
        start = solve(learner, piece, value_end=value, sharpness=4.0).value_start
        value = problem.value_over_gap(start, gaps[number - 1])
        expected.insert(0, value - value.mean())
    for gap, exact in zip(np.flatnonzero(learner.gaps), expected, strict=True):
        np.testing.assert_allclose(learner.value_end[gap - 1], exact, atol=1e-6 * np.ptp(exact))
        assert learner.occupancy_start[gap].sum() == pytest.approx(1)
    long = np.flatnonzero(learner.gaps)[1]
    energy = problem.first_values()[0]
    # 30 hours without trade at 20 % per day leave at most 76 % of a full battery.
    assert learner.occupancy_start[long][energy > 0.9 * energy.max()].sum() == 0


@pytest.mark.parametrize("gap", GAPS)
def test_regret_over_a_gap_is_nothing_as_hindsight_is_idle_there_too(broken, gap):
    first, end = gap
    energy = np.linspace(4.0, 36.0, 9)
    left = energy * 0.8 ** ((end - first) / 288)
    before, after = (broken.hindsight.at(np.full(9, row), at) for row, at in ((first, energy), (end, left)))
    np.testing.assert_allclose(before, after, atol=0.01 * np.ptp(after))
