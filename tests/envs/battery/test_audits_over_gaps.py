"""Audits of a period with a gap: a function is not called in it, and no decision of it is compared."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.envs.battery.policy_audit import draw_moments
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_series, wavy_prices

PER_DAY, DAYS = 24, 60
TEST = 30 * PER_DAY
GAP = slice(TEST + 5 * PER_DAY, TEST + 15 * PER_DAY)
BIDS = {"price_lag": 1, "actions": "bids"}


def gapped_option(tmp_path, **changes):
    prices, gap = wavy_prices(DAYS, intervals_per_day=PER_DAY), np.zeros(DAYS * PER_DAY, bool)
    prices[GAP], gap[GAP] = prices[GAP.start - 1], True
    return make_option(tmp_path, make_series(prices, 1.0, gap=gap), test_days=30, **changes)


def half_full(given):
    """Buy below half of the capacity, and sell above it."""
    return 5.0 if given.energy_mwh > 20 else -5.0


def bid_half_full(given):
    return (40.0, 60.0) if given.energy_mwh > 20 else (60.0, 80.0)


@pytest.mark.parametrize(("decide", "changes"), [(half_full, {}), (half_full, {"price_lag": 1}), (bid_half_full, BIDS)])
def test_a_function_without_state_passes(tmp_path, decide, changes):
    world = gapped_option(tmp_path, **changes).open("continuous")
    evaluations, checks = world.audit_function(lambda: decide, "f", "test", moments=200, seed=0)
    assert [(check.name, check.moved, check.error) for check in checks] == [
        ("future", 0, ""),
        ("restart", 0, ""),
        ("dates", 0, ""),
    ]
    # No moment lies in the gap, and the day before a moment counts without it.
    assert checks[0].decisions <= 200 * PER_DAY - 24 * 23 / 2
    frame = evaluations["f"].frame
    assert not frame.power_mw[frame.gap].any() and frame.power_mw[~frame.gap].any()


def test_no_error_in_a_gap_stops_the_audit(tmp_path):
    world = gapped_option(tmp_path).open("continuous")
    first = world.problem("test").series.start[GAP.start]
    last = world.problem("test").series.start[GAP.stop - 1]

    def fails_in_the_gap(given):
        if first <= given.start <= last:
            raise KeyError(str(given.start))
        return half_full(given)

    _, checks = world.audit_function(lambda: fails_in_the_gap, "f", "test", moments=20, seed=0)
    assert not any(check.error for check in checks[:2])


def test_no_moment_is_drawn_in_a_gap(tmp_path):
    problem = gapped_option(tmp_path).open("continuous").problem("test")
    drawn = draw_moments(problem, 10_000, np.random.default_rng(0))
    assert len(drawn) == 20 * PER_DAY - 1 and not problem.series.gap[drawn].any()


def test_a_policy_audit_counts_decisions_outside_the_gap(tmp_path):
    world = gapped_option(tmp_path).open("discrete")
    (check,) = world.audit(lambda numbers: (numbers.sum(axis=1) > 0.3).astype(int), "test", moments=3, seed=1)
    busy = world.problem("test").idle
    assert check.passed and 0 < check.decisions <= 3 * int((~busy).sum())
