"""Function audit: another program's decisions, honest ones and those with prices of their own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.envs.battery.dispatch_result import Dispatch
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_series, wavy_prices

PER_DAY = 24
SERIES = make_series(wavy_prices(60, intervals_per_day=PER_DAY), 1.0)
# What a program that is checked may hold: all prices, by date and in order.
REAL = SERIES.price.copy()
AT = {start: row for row, start in enumerate(SERIES.start.tolist())}
TEST_FIRST = 30 * PER_DAY


def thresholds(given):
    """Buy and sell beyond quantiles of the last week."""
    low, high = np.sort(given.price.values[-7 * PER_DAY :])[[42, -42]]
    now = given.price.values[-1]
    return given.battery.power_mw * (float(now > high) - float(now < low))


def against_next(now, later):
    """Trade only what the next hour does not improve."""
    return 10.0 if now > 80 and later < now else -10.0 if now < 50 and later > now else 0.0


def by_date(given):
    return against_next(given.price.values[-1], REAL[AT[given.start.item()] + 1 - len(REAL)])


def near_date(given):
    return against_next(given.price.values[-1], REAL[AT.get(given.start.item(), 0) + 1 - len(REAL)])


def by_position(given):
    return against_next(given.price.values[-1], REAL[len(given.price.values) - len(REAL)])


def behind_the_view(given):
    return against_next(given.price.values[-1], given.price.values.base[len(given.price.values) - len(REAL)])


class Counter:
    """Counts its calls to find the next price."""

    def __init__(self):
        self.row = TEST_FIRST

    def __call__(self, given):
        self.row += 1
        return against_next(given.price.values[-1], REAL[self.row - len(REAL)])


class DailyPlan:
    """Keeps thresholds for a day, as programs do that plan once per day."""

    def __init__(self):
        self.plan = None

    def __call__(self, given):
        if self.plan is None or given.hour == 0:
            self.plan = np.quantile(given.price.values[-2 * PER_DAY :], [0.3, 0.7])
        now = given.price.values[-1]
        return 10.0 if now > self.plan[1] else -10.0 if now < self.plan[0] else 0.0


def seasonal(given):
    """Buy below a price that depends on the day of the year, and sell any power above it."""
    day = (given.start - given.start.astype("datetime64[Y]")).astype("timedelta64[h]").astype(int) / 24
    return float(np.clip(given.price.values[-1] - 55 - 10 * np.sin(2 * np.pi * day / 365.25), -10, 10))


def audit(tmp_path, make, moments=20, **changes):
    option = make_option(tmp_path, SERIES, test_days=30, **changes)
    evaluations, checks = option.open("continuous").audit_function(make, "function", "test", moments=moments, seed=0)
    return evaluations, {check.name: check for check in checks}


@pytest.mark.parametrize("make", [lambda: thresholds, lambda: seasonal, DailyPlan], ids=["quantiles", "season", "plan"])
def test_an_honest_function_passes(tmp_path, make):
    _, checks = audit(tmp_path, make)
    assert list(checks) == ["future", "restart", "dates"]
    assert all(check.passed for check in checks.values())
    assert all(check.decisions > 0 for check in checks.values())
    assert 18 * PER_DAY < checks["future"].decisions <= 20 * PER_DAY


@pytest.mark.parametrize(
    ("make", "failed"),
    [
        (lambda: by_date, ["dates"]),
        (lambda: near_date, ["dates"]),
        (lambda: by_position, ["dates"]),
        (Counter, ["restart"]),
        (lambda: behind_the_view, ["future", "dates"]),
    ],
    ids=["by date", "near a date", "by position", "by counting", "behind the view"],
)
def test_a_function_that_knows_the_next_price_is_found(tmp_path, make, failed):
    _, checks = audit(tmp_path, make)
    assert [name for name, check in checks.items() if not check.passed] == failed


def test_an_error_at_other_dates_is_named(tmp_path):
    _, checks = audit(tmp_path, lambda: by_date, moments=2)
    assert checks["dates"].error.startswith("KeyError: datetime.datetime(2025, ")


def test_a_function_that_rarely_acts_is_found_as_well(tmp_path):
    def rarely(given):
        later = REAL[AT.get(given.start.item(), 0) + 1 - len(REAL)]
        return 10.0 if later > 300 else 0.0

    _, checks = audit(tmp_path, lambda: rarely, moments=200)
    assert checks["dates"].decisions < 0.05 * checks["future"].decisions
    assert not checks["dates"].passed


def test_a_function_earns_what_its_requests_earn(tmp_path):
    problem = make_option(tmp_path, SERIES, test_days=30).open("continuous").problem("test")
    sells = (problem.dispatched.hour >= 17) & (problem.dispatched.hour < 21)
    buys = (problem.dispatched.hour >= 11) & (problem.dispatched.hour < 15)
    expected = Dispatch.replay(problem, 10.0 * (sells * 1.0 - buys)).metrics()

    def hours(given):
        return 10.0 * ((17 <= given.hour < 21) - (11 <= given.hour < 15))

    evaluations, _ = audit(tmp_path, lambda: hours, moments=1)
    assert evaluations["function"].metrics == expected
    assert set(evaluations) == {"function", "rule", "perfect_foresight"}


def test_a_function_is_given_the_stored_energy_that_its_requests_leave(tmp_path):
    def sell(given):
        with (tmp_path / "seen").open("a") as file:
            print(given.energy_mwh, file=file)
        return 10.0

    evaluations, _ = audit(tmp_path, lambda: sell, moments=1)
    frame = evaluations["function"].frame
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "seen")[: len(frame)], frame.energy_mwh)
    assert frame.energy_mwh.iloc[[0, -1]].tolist() == [20.0, 4.0]


def test_bids_are_cleared_against_the_price_that_the_function_does_not_know(tmp_path):
    evaluations, checks = audit(tmp_path, lambda: lambda given: (40.0, 90.0), moments=5, actions="bids")
    frame = evaluations["function"].frame
    assert frame.request_mw.tolist() == [-10.0 if p < 40 else 10.0 if p > 90 else 0.0 for p in frame.price]
    assert all(check.passed for check in checks.values())


def test_a_bid_at_the_price_to_come_is_found(tmp_path):
    def bid(given):
        price = REAL[AT.get(given.start.item(), 0)]
        return (price + 1, np.inf) if price < 50 else (-np.inf, price - 1)

    _, checks = audit(tmp_path, lambda: bid, moments=5, actions="bids")
    assert [name for name, check in checks.items() if not check.passed] == ["dates"]


def test_an_error_of_the_function_names_the_interval(tmp_path):
    def broken(given):
        return 1.0 if given.start < np.datetime64("2024-02-02") else given.nothing

    with pytest.raises(LabError, match=r"decide failed at 2024-02-02T10:00:00\+10:00 with AttributeError: .*nothing"):
        audit(tmp_path, lambda: broken)


def test_a_result_that_is_no_decision_is_an_error(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"at 2024-01-31T10:00:00\+10:00, decide must return a request in MW, a finite number, got 'sell'",
    ):
        audit(tmp_path, lambda: lambda given: "sell")


class Cached:
    """Has an answer for each interval from its first call on, for all of its objects."""

    answers: dict = {}

    def __call__(self, given):
        return self.answers.setdefault(given.start.item(), behind_the_view(given))


def test_a_cache_does_not_hide_what_a_function_reads(tmp_path):
    _, checks = audit(tmp_path, Cached)
    assert not checks["future"].passed and checks["future"].moved > 0
    assert Cached.answers == {}, "nothing is called in the process of the audit"


@pytest.mark.parametrize("actions", ["auto", "bids"])
def test_a_check_without_a_decision_that_counts_fails_and_says_so(tmp_path, actions):
    holds = (-np.inf, np.inf) if actions == "bids" else 0.0
    _, checks = audit(tmp_path, lambda: lambda given: holds, actions=actions)
    assert checks["future"].passed
    for name in ("restart", "dates"):
        assert (checks[name].decisions, checks[name].passed) == (0, False)
        assert checks[name].finding.startswith("the function held at every decision that counts, which shows nothing")


def test_a_function_that_ends_its_process_is_an_error(tmp_path):
    with pytest.raises(LabError, match="decide ended its process with SystemExit: 3, without a result: correct the"):
        audit(tmp_path, lambda: lambda given: sys.exit(3))


def test_an_audit_at_no_moment_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="moments must be a whole number, 1 or more, got 0"):
        audit(tmp_path, lambda: thresholds, moments=0)
