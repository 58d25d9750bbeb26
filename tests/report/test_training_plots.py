"""Training plots: learning curves, their running mean, and the levels of the policies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from battery_lab.report.inline_svg import svg
from battery_lab.report.training_plots import line, smooth, training_panels
from tests.report.report_pages import World, make_curves


@pytest.mark.parametrize(
    "curves",
    [
        make_curves().assign(**{name: np.nan for name in make_curves().columns if name != "env_steps"}),
        make_curves().drop(columns="env_steps"),
        pd.DataFrame([{"env_steps": 5, "test/capture": 0.5, "train/profit_per_day": None}]),
    ],
    ids=["all NaN", "no steps", "test only"],
)
def test_curves_without_numbers_have_no_plot(curves: pd.DataFrame) -> None:
    assert training_panels(curves, World()) == []


def test_curves_of_one_line_are_drawn() -> None:
    curves = make_curves(2).iloc[1:]
    assert all("<svg" in svg(panel, "p") for panel in training_panels(curves, World()))


def test_curve_is_sorted_by_steps_without_missing_values() -> None:
    curves = pd.DataFrame({"env_steps": [3, 1, 2, 4], "x": [30.0, 10.0, None, np.inf]})
    steps, values = line(curves, "x")
    assert (steps.tolist(), values.tolist()) == ([1, 3], [10, 30])


def test_running_mean_has_no_lag_and_keeps_the_length() -> None:
    assert smooth(np.arange(100.0))[10:-10] == pytest.approx(np.arange(10.0, 90.0))
    assert smooth(np.array([1.0, 5.0])).tolist() == [1.0, 5.0]


def test_capture_plot_shows_the_rule_on_the_same_days() -> None:
    figure = Figure()
    training_panels(make_curves(), World())[0].draw(figure)
    levels = {line.get_label(): line.get_ydata()[0] for line in figure.axes[1].lines}
    assert levels["rule"] == pytest.approx(0.25)
    assert levels["perfect foresight"] == 1
    assert levels["best policy"] == 0.6


def test_axis_label_shows_the_unit_of_money() -> None:
    figure = Figure()
    training_panels(make_curves(), World())[0].draw(figure)
    assert figure.axes[0].get_ylabel() == "profit, AUD/day"
