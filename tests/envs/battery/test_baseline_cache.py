"""The requests of baselines are computed once, and again after any relevant change."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.common.cache_keys_and_cleanup import source_digest
from battery_lab.envs.battery import baseline_cache
from battery_lab.envs.battery.baseline_cache import cached_requests
from tests.envs.small_world import make_world
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


def test_baselines_are_computed_once_per_market_battery_and_period(tmp_path, monkeypatch):
    world = make_world(tmp_path)
    before = world.baselines("test")["rule"].metrics
    monkeypatch.setattr(PercentileRule, "requests", lambda self, problem: pytest.fail("computed again"))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        make_world(tmp_path, price_lag=1).baselines("test")


@pytest.mark.parametrize(
    "changes",
    [
        {"series": make_series(wavy_prices(24, seed=1))},
        {"battery": make_battery(power_mw=5.0)},
        {"validation_days": 4},
        {
            "baselines": {
                "rule": PercentileRule(low_quantile=0.3, high_quantile=0.8, window_days=7),
                "perfect_foresight": PerfectForesight(),
            }
        },
    ],
    ids=["prices", "battery", "training period", "parameter"],
)
def test_baselines_are_computed_again_for_other_options(tmp_path, monkeypatch, changes):
    make_world(tmp_path).baselines("test")
    computed = []
    monkeypatch.setattr(
        PercentileRule, "requests", lambda self, problem: computed.append(1) or np.zeros(problem.end - problem.first)
    )
    make_world(tmp_path, **changes).baselines("test")
    assert computed


def test_periods_of_equal_length_are_cached_separately(tmp_path):
    world = make_world(tmp_path, validation_days=4)
    world.baselines("validation")
    validation, test = (world.baselines(period)["perfect_foresight"].frame for period in ("validation", "test"))
    np.testing.assert_allclose(test.power_mw, test.request_mw, atol=1e-9)
    assert not np.array_equal(validation.request_mw, test.request_mw)


def test_a_cache_file_of_another_length_is_replaced(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        np.save(path, np.zeros(5))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


def test_a_damaged_cache_file_is_replaced(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


class Counting:
    """A baseline that holds, and counts how often its requests are computed."""

    def __init__(self):
        self.calls = 0

    def __repr__(self):
        return "Counting()"

    def requests(self, problem):
        self.calls += 1
        return np.zeros(problem.end - problem.first)


def test_requests_depend_on_the_files_that_compute_them():
    names = {path.name for path in baseline_cache.FILES}
    assert names >= {"physics.py", "energy_grid.py", "bellman_backup.py", "perfect_foresight.py", "market_series.py"}
    assert names >= {"percentile_rule.py", "capped_optimum.py", "fitted_throughput_price.py", "transition_accounts.py"}
    assert all(path.is_file() for path in baseline_cache.FILES)
    assert source_digest(baseline_cache.FILES) == baseline_cache.CODE


def test_requests_are_computed_again_after_a_change_of_the_users_own_baseline(tmp_path, monkeypatch):
    # The class claims to come from a file that the test may change.
    own = tmp_path / "counting_module.py"
    own.write_text("class Counting: pass")
    monkeypatch.setitem(sys.modules, "counting_module", SimpleNamespace(__file__=str(own)))
    monkeypatch.setattr(Counting, "__module__", "counting_module")
    problem, baseline = make_world(tmp_path).problem("test"), Counting()
    for computed in (1, 2):
        for _ in range(2):
            cached_requests(str(tmp_path), "counting", baseline, problem)
        assert baseline.calls == computed
        own.write_bytes(own.read_bytes() + b"#")


def test_a_cache_that_cannot_be_written_does_not_stop_a_run(tmp_path):
    (tmp_path / "baselines").write_text("in the way")
    assert make_world(tmp_path).baselines("test")["rule"].metrics["profit_per_day"] != 0
