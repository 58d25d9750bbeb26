"""Price picture: a series of prices as a PNG: its range over time, its day, and its duration curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from battery_lab.common.atomic_write import atomic_path
from battery_lab.market.market_series import MarketSeries
from battery_lab.report.plot_style import BLUE, ORANGE, RC, legend_above, symlog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (10.0, 9.0)  # inches
# More points than pixels are not visible.
SHARES = np.linspace(0, 1, 1001)


def draw_prices(series: MarketSeries, path: Path) -> None:
    """Draw a series into a PNG file. Missing prices count nowhere.

    Args:
        series: the series; at least one price is not missing.
        path: the file; its folder exists.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = ~(series.gap | series.is_filled)
    prices = pd.Series(series.price[known], series.local_start[known].tz_localize(None))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasAgg(figure)
        # A name from a file may hold anything; a line break in it would move the plots.
        figure.suptitle(" ".join(f"{series.name}, {60 * series.interval_h:g} minutes".split()), x=0.01, ha="left")
        top, left, right = figure.subplot_mosaic([["days", "days"], ["hours", "duration"]]).values()
        _days(top, prices, series.currency)
        _hours(left, prices, series)
        _duration(right, prices, series.currency)
        with atomic_path(path) as part:
            figure.savefig(part, dpi=80, facecolor="white")


def _days(axes: Axes, prices: pd.Series[Any], currency: str) -> None:
    days = prices.groupby(prices.index.normalize()).agg(["min", "mean", "max"]).asfreq("D")
    axes.fill_between(days.index, days["min"], days["max"], color=BLUE, alpha=0.25, lw=0, label="lowest to highest")
    axes.plot(days.index, days["mean"], color=BLUE, lw=1.0, label="mean")
    symlog(axes, prices)
    axes.set(ylabel=f"{currency} per MWh")
    legend_above(axes, 2)
    axes.set_title("Each day", loc="right")


def _hours(axes: Axes, prices: pd.Series[Any], series: MarketSeries) -> None:
    by_hour = prices.groupby(prices.index.hour)
    low, middle, high = (by_hour.quantile(share) for share in (0.1, 0.5, 0.9))
    axes.fill_between(low.index, low, high, color=BLUE, alpha=0.25, lw=0, step="mid", label="10 to 90 %")
    axes.step(middle.index, middle, color=BLUE, where="mid", label="median")
    mean = by_hour.mean()
    axes.step(mean.index, mean, color=ORANGE, where="mid", label="mean")
    axes.set(xlabel=f"hour of the day, {series.time_zone}", ylabel=f"{series.currency} per MWh", xlim=(-0.5, 23.5))
    axes.set_xticks(range(0, 24, 4))
    axes.set_title("Each hour", loc="right")
    legend_above(axes, 3)


def _duration(axes: Axes, prices: pd.Series[Any], currency: str) -> None:
    axes.plot(100 * SHARES, np.quantile(prices.to_numpy(), 1 - SHARES), color=BLUE)
    symlog(axes, prices)
    axes.set(xlabel="% of the time with at least this price", ylabel=f"{currency} per MWh", xlim=(0, 100))
    axes.set_title("Price duration", loc="right")
