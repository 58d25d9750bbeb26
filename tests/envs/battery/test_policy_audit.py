"""Policy audit: it passes policies that use known values only, and finds features that look ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from battery_lab.observations.feature import Block
from tests.compositions import option
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_series, wavy_prices

DAY = 288


@dataclass(frozen=True, kw_only=True)
class Later:
    """A feature that reads a column some intervals after the last known value, and 0 beyond the end of the series."""

    steps: int
    column: str = "price"

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        latest = history.latest(self.column)
        values = np.append(latest[self.steps :], np.zeros(self.steps))[: len(latest)]
        return Block(values=values[:, None], names=("later",))


@pytest.fixture(scope="module")
def series():
    price = wavy_prices(24)
    columns = {"price_forecast": price + 5, "demand_mw": 5000 + price}
    return make_series(price, columns=columns, lead_h={"price_forecast": 24.0})


def actor(observation):
    """A continuous policy in which every number of an observation counts; of bids, it returns a pair."""
    weights = np.sin(np.arange(2 * observation.shape[1])).reshape(-1, 2).astype(np.float32)
    return np.tanh(observation @ weights)


def audit(tmp_path, series, moments=30, seed=0, **changes):
    chosen = make_option(tmp_path, series, **changes)
    world = chosen.open("continuous")
    return audit_world(world, chosen.actions == "bids", moments, seed)


def audit_world(world, bids, moments, seed):
    (check,) = world.audit(lambda x: actor(x)[:, : 1 + bids], "test", moments=moments, seed=seed)
    return check


def peek(tmp_path, series, later, **changes):
    """Audit a policy whose feature looks ahead, and which was stored with a feature of the same size that does not."""
    honest = option("observation", "minimal")
    sets = [replace(honest, features={**honest.features, "later": replace(later, steps=n)}) for n in (0, later.steps)]
    stored, peeking = (make_option(tmp_path, series, observation=chosen, **changes) for chosen in sets)
    world = peeking.open("continuous", stored.open("continuous").observation_state())
    return audit_world(world, peeking.actions == "bids", 20, 0)


@pytest.mark.parametrize("known", [{"price_lag": 0}, {"price_lag": 1}, {"actions": "bids"}])
@pytest.mark.parametrize("observation", ["compact", "forecast", "window"])
def test_what_the_lab_observes_is_known(tmp_path, series, known, observation):
    check = audit(tmp_path, series, 6, observation=option("observation", observation), **known)
    assert check.passed
    assert (check.moved, check.first) == (0, ())


@pytest.mark.parametrize(
    ("later", "known"),
    [
        (Later(steps=1), {"price_lag": 0}),
        (Later(steps=1), {"price_lag": 1}),
        (Later(steps=1), {"actions": "bids"}),
        (Later(steps=1, column="demand_mw"), {"price_lag": 0}),
        (Later(steps=DAY + 1, column="price_forecast"), {"price_lag": 0}),
        (Later(steps=7 * DAY // 2), {"price_lag": 0}),
    ],
    ids=["price", "price with lag", "price with bids", "demand", "forecast", "days later"],
)
def test_a_feature_that_looks_ahead_is_found(tmp_path, series, later, known):
    check = peek(tmp_path, series, later, **known)
    assert not check.passed
    assert check.moved > 0


def test_a_published_value_is_known_up_to_its_lead(tmp_path, series):
    assert peek(tmp_path, series, Later(steps=DAY, column="price_forecast")).passed


def test_the_first_decisions_that_moved_are_named_by_their_local_time(tmp_path, series):
    check = peek(tmp_path, series, Later(steps=1))
    assert len(check.first) == 5
    assert list(check.first) == sorted(check.first)
    assert all("2024-01-21T10:00" <= time < "2024-01-25T10:00" and time.endswith("+10:00") for time in check.first)


def test_a_decision_of_the_policy_itself_may_not_move(tmp_path, series):
    world = make_option(tmp_path, series).open("discrete")
    calls = iter(range(10**6))
    (check,) = world.audit(lambda x: np.full(len(x), next(calls) % 3), "test", moments=10, seed=0)
    assert not check.passed


def test_the_same_seed_compares_the_same_decisions(tmp_path, series):
    counts = [audit(tmp_path, series, 30, seed).decisions for seed in (0, 0, 1)]
    assert counts[0] == counts[1] != counts[2]


def test_more_moments_than_intervals_use_each_interval_once(tmp_path):
    hourly = make_series(wavy_prices(24, intervals_per_day=24), 1.0)
    check = audit(tmp_path, hourly, 1000, test_days=1)
    assert check.change == "all values that were not known at 23 moments changed"
