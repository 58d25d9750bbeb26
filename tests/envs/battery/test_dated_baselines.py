"""Dated baselines: on days by date they equal those of a period of the same rows, and wrong days are errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from battery_lab.baselines.random_dispatch import RandomDispatch
from battery_lab.baselines.stochastic_dp import StochasticDP
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.baseline_interface import DatedEnvironment
from battery_lab.envs.battery.dated_baselines import DatedBaselines
from battery_lab.market.forecasts.daily_publication import DailyPublication
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from tests.baselines.small_problem import make_baseline
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

DAYS = 28
OTHERS = {
    "random": RandomDispatch(seed=0),
    "receding_horizon": make_baseline("receding_horizon", horizon_h=24, replan_minutes=30, days=2, forecasts=None),
    "stochastic_dp": StochasticDP(quantiles=[0.25, 0.75], days=2),
}


def series(**changes):
    return make_series(wavy_prices(DAYS), interval_h=1 / 12, start="2024-01-01", time_zone="UTC", **changes)


def all_baselines(folder, **changes):
    option = make_option(folder, series(), **changes)
    return replace(option, baselines={**option.baselines, **OTHERS})


def test_days_by_date_give_the_figures_of_the_test_period_of_these_days(tmp_path):
    option = all_baselines(tmp_path)
    world = option.open("discrete")
    first, end = world.problem("test").first, world.problem("test").end
    days = series().local_start[[first, end - 1]]
    dated = DatedBaselines(option, series(), f"{days[0]:%Y-%m-%d}/{days[1]:%Y-%m-%d}")
    # Stochastic DP fits to the validation period as well, if days are named.
    names = ("rule", "receding_horizon", "perfect_foresight")
    expected, found = world.baselines("test", names), dated.baselines(names)
    assert list(found) == list(names)
    for name in names:
        assert found[name].metrics == expected[name].metrics, name
        assert found[name].frame.equals(expected[name].frame), name


def test_a_battery_environment_can_be_opened_for_days_by_date(tmp_path):
    assert isinstance(make_option(tmp_path), DatedEnvironment)


@pytest.mark.parametrize("actions", ["auto", "bids"])
def test_every_baseline_runs_with_one_day_of_history_and_none_beats_perfect_foresight(tmp_path, actions):
    option = all_baselines(tmp_path, actions=actions)
    dated = DatedBaselines(option, series(), "2024-01-02/2024-01-05")
    found = dated.baselines(list(option.baselines))
    assert {len(evaluation.frame) for evaluation in found.values()} == {4 * 288}
    best = found["perfect_foresight"].metrics["profit_per_day"]
    assert all(evaluation.metrics["profit_per_day"] <= best for evaluation in found.values())
    assert dated.known == ("bids" if actions == "bids" else "price known")


@pytest.mark.parametrize(
    ("days", "kind", "message"),
    [
        ("january", ConfigError, "period must be test, validation or 2025-01-01/2025-01-31.*got 'january'"),
        ("2024-01-05", ConfigError, "period must be test, validation or"),
        ("2024-01-05/2024-01-04", ConfigError, "in this order"),
        ("2024-01-05/2024-03-01", DataError, "holds 2024-01-01 to 2024-01-28: choose days within it"),
        ("2023-12-31/2024-01-03", DataError, "holds 2024-01-01 to 2024-01-28"),
        ("2024-01-01/2024-01-03", DataError, "need at least a day of prices before the period"),
    ],
)
def test_days_that_cannot_be_evaluated_are_errors_with_the_way_on(tmp_path, days, kind, message):
    with pytest.raises(kind, match=message):
        DatedBaselines(make_option(tmp_path), series(), days)


def test_days_that_are_mostly_gaps_and_gaps_under_caps_are_refused(tmp_path):
    gap = np.zeros(DAYS * 288, np.bool_)
    gap[5 * 288 : 7 * 288] = True
    with pytest.raises(DataError, match="has no price in 100% of the 2024-01-06/2024-01-07 period"):
        DatedBaselines(make_option(tmp_path), series(gap=gap), "2024-01-06/2024-01-07")
    battery = make_battery(max_cycles_per_day=0.5, self_discharge_per_day=0.1)
    with pytest.raises(DataError, match="caps on cycles and self-discharge: fill the gap"):
        DatedBaselines(make_option(tmp_path, battery=battery), series(gap=gap), "2024-01-03/2024-01-12")


def test_a_throughput_price_is_fitted_to_the_days_before(tmp_path):
    battery = make_battery(max_cycles_per_day=0.5)
    dated = DatedBaselines(all_baselines(tmp_path, battery=battery), series(), "2024-01-10/2024-01-12")
    found = dated.baselines(("receding_horizon", "perfect_foresight"))
    assert all(evaluation.metrics["max_cycles_in_a_day"] <= 0.5 + 1e-9 for evaluation in found.values())
    assert "at most 0.5 cycles per day" in dated.known


def test_a_price_that_is_published_the_day_before_is_known_on_days_by_date_too(tmp_path):
    option = all_baselines(tmp_path, price_lag=1)
    hidden, known = (
        DatedBaselines(option, series(**extra), "2024-01-10/2024-01-12")
        .baselines(("rule",))["rule"]
        .frame["request_mw"]
        for extra in ({}, {"published": {"price": DailyPublication.parse("12:45", "UTC")}})
    )
    at_once = DatedBaselines(all_baselines(tmp_path), series(), "2024-01-10/2024-01-12").baselines(("rule",))["rule"]
    assert known.equals(at_once.frame["request_mw"]) and not hidden.equals(known)


def test_a_part_of_the_last_day_is_no_day(tmp_path):
    part = series().rows(0, DAYS * 288 - 6)
    last = str(part.local_start[-1].date())
    with pytest.raises(DataError, match="choose days within it, whole ones"):
        DatedBaselines(make_option(tmp_path), part, f"2024-01-10/{last}")


def test_the_forecasts_that_baselines_may_plan_on_are_named(tmp_path):
    start = series().start[5 * 288 :: 6]
    rows = {
        "published": np.repeat(start, 2),
        "start": (start[:, None] + np.timedelta64(1800, "s") * np.arange(2)).ravel(),
    }
    known = ForecastVintages.of(name="soon", quantity="price", value=np.ones(2 * len(start)), **rows).delayed(0.1)
    dated = DatedBaselines(make_option(tmp_path), series(forecasts={"soon": known}), "2024-01-05/2024-01-08")
    assert dated.summary()["Forecasts"].startswith("soon: newest run published, up to ")
    assert dated.summary()["Forecasts"].endswith("of the intervals, seen 0.1 h late")
