"""Plots of bids and offers: means by hour and state of charge, accepted ones by price, and drawing of any frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from battery_lab.envs.battery import bid_plots, dispatch_plots
from battery_lab.report.inline_svg import svg
from tests.envs.small_world import make_option


def make_frame(intervals: int, **columns: Any) -> pd.DataFrame:
    """Return hourly rows from midnight in Melbourne, with a bid of 40 and an offer of 90."""
    local = pd.date_range("2024-01-01", periods=intervals, freq="1h", tz="Australia/Melbourne")
    fields = {"price": 50.0, "power_mw": 0.0, "soc": 0.5, "profit": 0.0, "bid_per_mwh": 40.0, "offer_per_mwh": 90.0}
    return pd.DataFrame({"start": local.tz_convert("UTC"), "local_start": local} | fields | columns)


def drawn(title: str, frame: pd.DataFrame) -> Figure:
    (panel,) = [panel for panel in dispatch_plots.panels(frame, "EUR", {}) if panel.title == title]
    figure = Figure(figsize=panel.size)
    panel.draw(figure)
    return figure


def test_a_policy_that_requests_power_has_no_plots_of_bids() -> None:
    frame = make_frame(48)
    assert len(dispatch_plots.panels(frame, "EUR", {})) == 8
    assert len(dispatch_plots.panels(frame.drop(columns="bid_per_mwh"), "EUR", {})) == 6


def test_means_are_by_local_hour_and_state_of_charge() -> None:
    # Five days; in the hour from 06:00, the state of charge alternates.
    hour = np.arange(120) % 24
    soc = np.where((hour == 6) & (np.arange(120) // 24 % 2 == 1), 0.8, 0.3)
    frame = make_frame(120, soc=soc, bid_per_mwh=np.where(soc > 0.5, -10.0, 1.0 * np.arange(120)))
    means = bid_plots.mean_prices(frame, "bid_per_mwh", np.array([0.0, 0.5, 1.0]))
    assert means.shape == (2, 24)
    assert means[0, 6] == np.mean([6, 54, 102])
    assert means[0, 0] == np.mean([0, 24, 48, 72, 96])


def test_cells_with_few_intervals_are_empty() -> None:
    means = bid_plots.mean_prices(make_frame(24 * 2 + 1), "offer_per_mwh", np.array([0.0, 1.0]))
    assert means[0, 0] == 90
    assert np.isnan(means[0, 1:]).all()


def test_cells_divide_the_range_of_the_state_of_charge() -> None:
    edges = bid_plots.soc_cells(make_frame(4, soc=[0.1, 0.1, 0.9, 0.5]))
    np.testing.assert_allclose(edges, np.linspace(0.1, 0.9, 11), atol=1e-6)
    assert edges[0] < 0.1
    assert edges[-1] > 0.9


def test_the_map_shows_bid_and_offer_on_one_scale() -> None:
    figure = drawn("Bids and offers by hour and state of charge", make_frame(24 * 4))
    bid, offer = (axes.collections[0] for axes in figure.axes[:2])
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        "mean bid",
        "mean offer",
    ]
    assert np.nanmean(bid.get_array()) == 40
    assert np.nanmean(offer.get_array()) == 90
    assert bid.norm is offer.norm
    assert figure.axes[2].get_ylabel() == "EUR/MWh"


def test_a_bid_is_accepted_where_power_is_bought_and_an_offer_where_it_is_sold() -> None:
    frame = make_frame(4, power_mw=[-10.0, 0.0, 4.0, -1.0], price=[10.0, 50.0, 120.0, 20.0])
    assert bid_plots.accepted(frame, "bid_per_mwh")["price"].tolist() == [10, 20]
    assert bid_plots.accepted(frame, "offer_per_mwh")["price"].tolist() == [120]


def test_a_duration_curve_gives_the_hours_with_at_least_a_price() -> None:
    hours, prices = bid_plots.duration(pd.Series([10.0, 40.0, 30.0, 20.0]), 0.5)
    assert prices.tolist() == [40, 30, 20, 10]
    assert hours.tolist() == [0.25, 0.75, 1.25, 1.75]


def test_a_long_duration_curve_keeps_its_ends_and_few_points() -> None:
    hours, prices = bid_plots.duration(pd.Series(np.arange(100_000.0)), 0.25)
    assert (prices[0], prices[-1], len(prices)) == (99_999, 0, 501)
    assert hours[-1] == 99_999.5 * 0.25


def test_hours_bought_and_sold_are_in_the_legend() -> None:
    power = np.repeat([-10.0, 0.0, 10.0], [30, 50, 20])
    axes = drawn("Accepted bids and offers", make_frame(100, power_mw=power)).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["bid, bought in 30 h", "price bought at", "offer, sold in 20 h", "price sold at"]


FRAMES = {
    "one interval": make_frame(1),
    "nothing is accepted": make_frame(24 * 9),
    "prices at the cap": make_frame(24 * 9, price=20_300.0, bid_per_mwh=-1_000.0, offer_per_mwh=20_300.0, power_mw=5.0),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", FRAMES)
def test_every_plot_can_be_drawn_for_any_period(case: str) -> None:
    for place, panel in enumerate(bid_plots.bid_panels(FRAMES[case], "$")):
        text = svg(panel, f"p{place}")
        assert text.startswith("<svg") and "</svg>" in text
        assert "<image" not in text


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_the_report_of_a_policy_that_bids_has_the_plots(tmp_path: Any, kind: str) -> None:
    world = make_option(tmp_path, actions="bids").open(kind)
    actor = {
        "continuous": lambda o: np.tile(np.float32([-0.1, 0.1]), (len(o), 1)),
        "discrete": lambda o: np.ones(len(o)),
    }
    titles = [panel.title for panel in world.panels(world.evaluate(actor[kind], "test").frame, {})]
    assert titles[-2:] == ["Bids and offers by hour and state of charge", "Accepted bids and offers"]


def test_bids_of_a_gap_leave_no_cell_empty() -> None:
    frame = make_frame(24 * 28).assign(gap=False)
    frame.loc[24 * 8 : 24 * 20 - 1, "gap"] = True
    known = frame[~frame["gap"]]
    frame.loc[frame["gap"], ["bid_per_mwh", "offer_per_mwh"]] = np.nan
    title = "Bids and offers by hour and state of charge"
    for with_gap, without in zip(drawn(title, frame).axes, drawn(title, known).axes, strict=True):
        for first, second in zip(with_gap.collections, without.collections, strict=True):
            np.testing.assert_array_equal(first.get_array(), second.get_array())
