"""What baselines ask for is worked out once, and again after any change that matters."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battery_lab.baselines.percentile_rule import PercentileRule
from battery_lab.baselines.perfect_foresight import PerfectForesight
from battery_lab.envs.battery import baseline_cache
from tests.envs.worlds import make_world
from tests.factories import make_battery, make_series, wavy_prices


def test_baselines_are_worked_out_once_a_market_battery_and_period(tmp_path, monkeypatch):
    world = make_world(tmp_path)
    before = world.baselines("test")["rule"].metrics
    monkeypatch.setattr(PercentileRule, "requests", lambda self, problem: pytest.fail("worked out again"))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before
    with pytest.raises(pytest.fail.Exception, match="worked out again"):
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
    ids=["prices", "battery", "training time", "parameter"],
)
def test_baselines_are_worked_out_again_where_anything_else_is_chosen(tmp_path, monkeypatch, changes):
    make_world(tmp_path).baselines("test")
    asked = []
    monkeypatch.setattr(
        PercentileRule, "requests", lambda self, problem: asked.append(1) or np.zeros(problem.end - problem.first)
    )
    make_world(tmp_path, **changes).baselines("test")
    assert asked


def test_baselines_of_equally_long_periods_are_kept_apart(tmp_path):
    world = make_world(tmp_path, validation_days=4)
    world.baselines("validation")
    validation, test = (world.baselines(period)["perfect_foresight"].frame for period in ("validation", "test"))
    np.testing.assert_allclose(test.power_mw, test.request_mw, atol=1e-9)
    assert not np.array_equal(validation.request_mw, test.request_mw)


def test_a_cache_file_of_another_length_is_worked_out_again(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        np.save(path, np.zeros(5))
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


def test_a_damaged_cache_file_is_worked_out_again(tmp_path):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    for path in (tmp_path / "baselines").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert make_world(tmp_path).baselines("test")["rule"].metrics == before


def test_a_changed_baseline_is_worked_out_again(tmp_path, monkeypatch):
    before = make_world(tmp_path).baselines("test")["rule"].metrics
    monkeypatch.setattr(
        "battery_lab.envs.battery.baseline_cache._sources", lambda baseline: "another state of the code"
    )
    monkeypatch.setattr(PercentileRule, "requests", lambda self, problem: np.zeros(problem.end - problem.first))
    assert before["profit_per_day"] != 0
    assert make_world(tmp_path).baselines("test")["rule"].metrics["profit_per_day"] == 0


def test_a_change_in_any_file_that_requests_come_from_is_a_change(tmp_path, monkeypatch):
    package, mine = tmp_path / "package", tmp_path / "mine.py"
    used = [*(baseline_cache.PACKAGE / f"{source}.py" for source in baseline_cache.SOURCES)]
    used += (baseline_cache.PACKAGE / "baselines").glob("*.py")
    copies = [package / path.relative_to(baseline_cache.PACKAGE) for path in used]
    for path, copy in zip(used, copies, strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    mine.write_text("class Mine: pass")
    module = SimpleNamespace(__file__=str(mine))
    monkeypatch.setitem(sys.modules, "mine", module)
    monkeypatch.setattr(baseline_cache, "PACKAGE", package)
    baseline = type("Mine", (), {"__module__": "mine"})
    seen = {baseline_cache._sources(baseline)}
    for path in (*copies, mine):
        path.write_bytes(path.read_bytes() + b"#")
        seen.add(baseline_cache._sources(baseline))
    assert len(seen) == len(copies) + 2
    assert {"physics.py", "energy_grid.py", "perfect_foresight.py", "series.py", "percentile_rule.py"} <= {
        path.name for path in copies
    }


def test_a_cache_that_cannot_be_written_costs_no_run(tmp_path):
    (tmp_path / "baselines").write_text("in the way")
    assert make_world(tmp_path).baselines("test")["rule"].metrics["profit_per_day"] != 0
