"""Battery plots: selected weeks, sums, axes, and drawing of any frame."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from battery_lab.envs.battery import dispatch_plots, week_plot
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.report.inline_svg import svg
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices


def make_frame(first: Any, intervals: int, profit: Any = 1.0, zone: str = "Etc/GMT-10") -> pd.DataFrame:
    """Return a frame as Dispatch makes it, with a profit of choice and a battery that goes up and down."""
    local = pd.date_range(first, periods=intervals, freq="1h", tz=zone)
    hour = np.arange(intervals)
    return pd.DataFrame(
        {
            "start": local.tz_convert("UTC"),
            "local_start": local,
            "price": 50.0 + 10.0 * (hour % 7),
            "power_mw": np.where(hour % 4 < 2, 10.0, -10.0),
            "soc": 0.5 + 0.1 * (hour % 4),
            "profit": np.broadcast_to(profit, intervals).astype(np.float64),
        }
    )


def weekly(*profits: float) -> pd.DataFrame:
    """Return whole weeks from a Monday on, each with a profit of its own an hour."""
    return make_frame("2024-01-01", 168 * len(profits), np.repeat(profits, 168))


def drawn(panel: Any) -> Figure:
    figure = Figure(figsize=panel.size)
    panel.draw(figure)
    return figure


def panel_of(title: str, frame: pd.DataFrame, baselines: dict[str, pd.DataFrame] | None = None) -> Any:
    found = [panel for panel in dispatch_plots.panels(frame, "EUR", baselines or {}) if panel.title == title]
    return found[0]


def test_the_median_week_has_the_median_profit() -> None:
    assert week_plot.median_week(weekly(5, 1, 9, 7, 3))["profit"].iloc[0] == 5


def test_of_an_even_number_of_weeks_the_lower_middle_one_is_the_median() -> None:
    assert week_plot.median_week(weekly(9, 2, 4, 1))["profit"].iloc[0] == 2


def test_the_best_week_has_the_largest_profit() -> None:
    assert week_plot.best_week(weekly(-5, -1, -9))["profit"].iloc[0] == -1


def test_weeks_are_local_monday_to_sunday_without_incomplete_ones() -> None:
    weeks = week_plot.weeks(make_frame("2024-01-03 05:00", 24 * 20))
    assert [f"{week['local_start'].iloc[0]:%a %d %H}" for week in weeks] == ["Mon 08 00", "Mon 15 00"]
    assert [len(week) for week in weeks] == [168, 168]


@pytest.mark.parametrize(("first", "hours"), [("2024-03-25", 167), ("2024-10-21", 169)])
def test_a_week_with_a_clock_change_is_complete(first: str, hours: int) -> None:
    frame = make_frame(pd.Timestamp(first) - pd.Timedelta(days=7), 168 + hours, zone="Europe/Berlin")
    assert [len(week) for week in week_plot.weeks(frame)] == [168, hours]


def test_a_period_without_a_complete_week_is_one_week() -> None:
    assert len(week_plot.median_week(make_frame("2024-01-03", 50))) == 50


def test_months_are_local_and_sum_to_the_total() -> None:
    rng = np.random.default_rng(0)
    frame = make_frame("2024-01-31 22:00", 24 * 40, rng.normal(100, 500, 24 * 40))
    months = dispatch_plots.monthly_profit(frame)
    assert months.sum() == pytest.approx(frame["profit"].sum())
    assert months.iloc[0] == pytest.approx(frame["profit"].iloc[:2].sum())
    assert [f"{month:%Y-%m}" for month in months.index] == ["2024-01", "2024-02", "2024-03"]


def test_days_are_local_and_sum_to_the_total() -> None:
    days = dispatch_plots.daily_profit(make_frame("2024-01-31 22:00", 50))
    assert days.tolist() == [2, 24, 24]


def test_months_have_bars_of_the_policy_and_labels_for_incomplete_months() -> None:
    axes = drawn(panel_of("Profit by month", make_frame("2024-01-30", 24 * 31))).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [48, 24 * 29]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Jan\n2024\n2 d", "Feb"]


def test_a_baseline_has_a_line_in_every_month() -> None:
    frame = make_frame("2024-01-01", 24 * 60)
    axes = drawn(panel_of("Profit by month", frame, {"my_rule": frame.assign(profit=2.0)})).axes[0]
    heights = [segment[0][1] for segment in axes.collections[0].get_segments()]
    assert heights == [2 * 24 * 31, 2 * 24 * 29]
    assert "my rule" in axes.get_legend_handles_labels()[1]


def test_the_last_row_of_a_week_ends_at_its_profit() -> None:
    figure = drawn(panel_of("A median week", weekly(5, 1, 9), {"rule": weekly(2, 3, 4)}))
    named = [line for line in figure.axes[3].lines if not line.get_label().startswith("_")]
    ends = {line.get_label(): line.get_ydata()[-1] for line in named}
    assert ends == {"rule": 2 * 168, "this policy": 5 * 168}


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Etc/GMT-10", "UTC+10:00 (Etc/GMT-10)"),
        ("Asia/Kolkata", "UTC+05:30 (Asia/Kolkata)"),
        ("Etc/GMT+5", "UTC-05:00 (Etc/GMT+5)"),
        ("Europe/Berlin", "UTC+01:00 and UTC+02:00 (Europe/Berlin)"),
        ("UTC", "UTC+00:00"),
    ],
)
def test_the_time_axis_shows_the_utc_offset(zone: str, words: str) -> None:
    figure = drawn(panel_of("The best week", make_frame("2024-03-25", 24 * 7 - 1, zone=zone)))
    assert figure.axes[3].get_xlabel() == f"local time, {words}"


@pytest.mark.parametrize(
    ("zone", "first", "marked"),
    [
        # Its rows are at half past local hours: midnight of the first day is before the first row.
        ("Asia/Kolkata", "2024-03-25", [26, 27, 28, 29, 30, 31]),
        ("America/Santiago", "2024-09-02", [2, 3, 4, 5, 6, 7, 8]),  # Clocks skip midnight on the 8th.
        ("Europe/Berlin", "2024-10-21", [21, 22, 23, 24, 25, 26, 27]),
    ],
)
def test_local_days_of_a_week_are_marked(zone: str, first: str, marked: list[int]) -> None:
    start = pd.Timestamp(first, tz=zone).tz_convert("UTC").floor("1h").tz_convert(zone)
    axes = drawn(panel_of("The best week", make_frame(start, 24 * 7 + 1, zone=zone))).axes[3]
    assert [int(label.get_text()[-2:]) for label in axes.get_xticklabels()] == marked
    low, high = axes.get_xlim()
    assert all(low <= tick <= high for tick in axes.get_xticks())


def test_everyday_prices_are_visible_in_a_week_of_spikes() -> None:
    frame = weekly(1, 1, 9)
    frame.loc[336:, "price"] += 10_000.0
    axes = drawn(panel_of("The best week", frame)).axes[0]
    assert axes.yaxis.get_transform().linthresh == 100
    low, high = axes.get_ylim()
    assert sorted(tick for tick in axes.get_yticks() if low <= tick <= high) == [0, 100, 1000, 10_000]


def test_tick_labels_do_not_overlap_near_zero() -> None:
    frame = make_frame("2024-01-01", 96, np.repeat([300.0, 100.0, -30.0, -3.0], 24))
    axes = drawn(panel_of("Days by profit", frame)).axes[0]
    inner = [tick for tick in axes.get_yticks() if abs(tick) < axes.yaxis.get_transform().linthresh]
    assert inner == [0]


def test_soc_is_not_drawn_beyond_its_limits() -> None:
    frame = pd.DataFrame({"soc": [0.1, 0.1 - 1e-12, 0.9 + 1e-12, 0.5]})
    shares = dispatch_plots.soc_shares(frame)
    centres = (dispatch_plots.SOC_EDGES[1:] + dispatch_plots.SOC_EDGES[:-1]) / 2
    assert dict(zip(centres[shares > 0].round(2), shares[shares > 0], strict=True)) == {0.1: 0.5, 0.5: 0.25, 0.9: 0.25}


def test_empty_and_full_count_as_shares_of_time() -> None:
    assert dispatch_plots.soc_shares(pd.DataFrame({"soc": [0.0, 1.0]}))[[0, -1]].tolist() == [0.5, 0.5]


def test_a_price_curve_weights_by_energy() -> None:
    frame = pd.DataFrame({"price": [50.0, 5.0, 900.0]})
    curve = dispatch_plots.price_curve(frame, np.array([30.0, 10.0, 0.0]))
    below = dispatch_plots.SHARES < 0.25
    assert (curve[below] == 5).all()
    assert (curve[dispatch_plots.SHARES > 0.25] == 50).all()


def test_mean_prices_are_weighted_by_energy() -> None:
    frame = make_frame("2024-01-01", 3).assign(price=[10.0, 40.0, 100.0], power_mw=[-10.0, -5.0, 8.0])
    labels = drawn(panel_of("Prices bought and sold at", frame)).axes[0].get_legend_handles_labels()[1]
    assert labels == ["market, all hours, mean 50 EUR/MWh", "bought, mean 20 EUR/MWh", "sold, mean 100 EUR/MWh"]


def test_the_title_counts_the_days_that_earn_half_of_the_profit() -> None:
    frame = make_frame("2024-01-01", 96, np.repeat([100.0, 10.0, -1.0, 1.0], 24))
    text = svg(panel_of("Days by profit", frame), "p")
    assert "the best 1 of 4 days earned half of the profit; 1 lost money" in text


def frames() -> dict[str, pd.DataFrame]:
    return {
        "one interval": make_frame("2024-01-01", 1),
        "nothing happens": make_frame("2024-01-01", 24 * 9, profit=0.0).assign(power_mw=0.0, price=0.0),
        "clocks change": make_frame("2024-10-28", 24 * 9, profit=-3.0, zone="America/New_York"),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", frames())
def test_every_plot_can_be_drawn_for_any_period(case: str) -> None:
    frame = frames()[case]
    for place, panel in enumerate(dispatch_plots.panels(frame, "$", {"<rule>": frame})):
        text = svg(panel, f"p{place}")
        assert text.startswith("<svg") and "</svg>" in text


def test_the_frame_of_a_dispatch_can_be_drawn() -> None:
    problem = DispatchProblem(
        series=make_series(wavy_prices(12)), battery=make_battery(), first=0, end=12 * 288, train_end=0, price_lag=0
    )
    frame = Dispatch.replay(problem, np.tile([10.0, -10.0], 6 * 288)).frame()
    assert len([svg(panel, "p") for panel in dispatch_plots.panels(frame, "EUR", {"rule": frame})]) == 6


def without_ids(panel: Any) -> str:
    """Return a drawn panel without the ids of its markers and cuts, which differ each time."""
    return re.sub(r"p-[mp][0-9a-f]{10}", "", svg(panel, "p"))


def gapped_weeks() -> pd.DataFrame:
    """Return four weeks of which the middle two are in a gap, without a profit, except for their first and last day."""
    frame = weekly(5, 0, 0, 9).assign(gap=False)
    frame.loc[168 + 24 : 3 * 168 - 25, "gap"] = True
    return frame


def test_a_week_with_a_gap_is_not_complete() -> None:
    frame = gapped_weeks()
    assert [week["profit"].iloc[0] for week in week_plot.weeks(frame)] == [5, 9]
    frame["gap"] = True
    assert len(week_plot.weeks(frame)) == 1


def test_no_plot_counts_the_rows_of_a_gap() -> None:
    frame = gapped_weeks()
    frame.loc[frame["gap"], ["price", "soc"]] = [9_999.0, 0.0]
    known = frame[~frame["gap"]]
    for title in ("Days by profit", "Profit by month", "State of charge", "Prices bought and sold at"):
        plots = [without_ids(panel_of(title, one, {"rule": one})) for one in (frame, known)]
        assert plots[0] == plots[1], title
    days = drawn(panel_of("Days by profit", frame)).axes[0]
    assert "of 16 days" in days.get_title()
    (label,) = drawn(panel_of("Profit by month", frame)).axes[0].get_xticklabels()
    assert "16 d" in label.get_text()
    assert drawn(panel_of("A median week", frame.assign(gap=np.arange(len(frame)) < 400)))
