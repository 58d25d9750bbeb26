"""A week of what a battery did, and which week to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from battery_lab.report import Panel
from battery_lab.report.plot_style import BLUE, GREEN, GREY, ORANGE, colours, legend_above, number_axis, symlog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

JUDGED = "this policy"
Frames = Mapping[str, pd.DataFrame]


def weeks(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the whole local weeks, Monday to Sunday; all of the period, if it holds none.

    A week in which the clocks change is whole with an hour less or more.
    """
    local = frame["local_start"].dt.tz_localize(None)
    monday = local.dt.normalize() - pd.to_timedelta(local.dt.day_of_week, unit="D")
    groups = [week for _, week in frame.groupby(monday.to_numpy())]
    rows = max((len(week) for week in groups), default=0)
    whole = [week for week in groups if week["local_start"].dt.day_of_week.nunique() == 7 and len(week) >= 0.98 * rows]
    return whole or [frame]


def median_week(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the week whose profit is the median one; of an even number the lower of the two in the middle."""
    ranked = sorted(weeks(frame), key=lambda week: float(week["profit"].sum()))
    return ranked[(len(ranked) - 1) // 2]


def best_week(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the week with the largest profit."""
    return max(weeks(frame), key=lambda week: float(week["profit"].sum()))


def week_panel(
    title: str,
    which: str,
    choose: Callable[[pd.DataFrame], pd.DataFrame],
    frame: pd.DataFrame,
    currency: str,
    baselines: Frames,
) -> Panel:
    """Return a picture of one week of a period; ``choose`` is asked for it when it is drawn."""

    def draw(figure: Figure) -> None:
        week = choose(frame)
        rows = figure.subplots(4, sharex=True, height_ratios=[3, 2, 2, 2.2])
        first, last = week["local_start"].iloc[0], week["local_start"].iloc[-1]
        figure.suptitle(f"{first:%a %d %b %Y} to {last:%a %d %b %Y}", x=0.01, ha="left", fontsize=11)
        _draw_price(rows[0], week, currency)
        # By the prices of the whole period: in a week of spikes everyday ones would be one flat line.
        symlog(rows[0], frame["price"])
        _draw_power(rows[1], week)
        rows[2].fill_between(_hours(week), 100 * week["soc"], color=GREEN, alpha=0.35, linewidth=0)
        rows[2].plot(_hours(week), 100 * week["soc"], color=GREEN)
        rows[2].set(ylabel="SoC, %", ylim=(0, 100))
        _draw_earned(rows[3], week, currency, baselines)
        _day_axis(rows[3], week)
        figure.align_ylabels(rows)

    return Panel(
        title=title,
        caption=which + "Local time. The price axis is linear about zero and logarithmic beyond, so that spikes and "
        "everyday prices are both seen. Power is what was delivered at the grid: up sells, down buys. The last row "
        "adds up profit from the beginning of the week for every policy.",
        draw=draw,
        size=(10.0, 7.6),
    )


def _draw_price(axes: Axes, week: pd.DataFrame, currency: str) -> None:
    axes.plot(_hours(week), week["price"], color=GREY, linewidth=1.0, drawstyle="steps-post")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(f"price,\n{currency}/MWh")


def _draw_power(axes: Axes, week: pd.DataFrame) -> None:
    power = week["power_mw"].to_numpy(np.float64)
    for sign, colour, name in ((1, ORANGE, "sells"), (-1, BLUE, "buys")):
        part = np.where(sign * power > 0, power, 0.0)
        axes.fill_between(*_turns(week, part), step="post", color=colour, linewidth=0, label=name)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel("power, MW")
    legend_above(axes, 2)


def _draw_earned(axes: Axes, week: pd.DataFrame, currency: str, baselines: Frames) -> None:
    colour = colours(baselines)
    for name, other in baselines.items():
        same = other[other["start"].isin(week["start"])]
        axes.plot(*_turns(same, same["profit"].cumsum()), color=colour[name], linewidth=1.1, label=words(name))
    axes.plot(*_turns(week, week["profit"].cumsum()), color=BLUE, linewidth=2.4, label=JUDGED)
    axes.set_ylabel(f"profit so far,\n{currency}")
    number_axis(axes.yaxis)
    legend_above(axes, 3)


def _day_axis(axes: Axes, week: pd.DataFrame) -> None:
    from matplotlib import dates

    plain: Any = dates  # matplotlib's locators carry no annotations
    zone = week["local_start"].dt.tz
    axes.xaxis.set_major_locator(plain.DayLocator(tz=zone))
    axes.xaxis.set_major_formatter(plain.DateFormatter("%a %d", tz=zone))
    axes.xaxis.set_minor_locator(plain.HourLocator((6, 12, 18), tz=zone))
    axes.margins(x=0)
    axes.set_xlabel(f"local time, {zone_words(week['local_start'])}")


def zone_words(local: pd.Series[Any]) -> str:
    """Return how far local time is from UTC, and the zone's name.

    A name alone can mislead: Etc/GMT-10 is ten hours ahead of UTC. Where the clocks change there are two distances.
    """
    offsets = dict.fromkeys(f"UTC{start:%z}" for start in local)
    words = " and ".join(f"{offset[:-2]}:{offset[-2:]}" for offset in offsets)
    name = str(local.dt.tz)
    return words if name.startswith("UTC") else f"{words} ({name})"


def _hours(frame: pd.DataFrame) -> NDArray[np.datetime64]:
    """Return the starts as an axis of time; it is UTC, in which no hour comes twice."""
    return np.asarray(frame["start"].dt.tz_convert("UTC").dt.tz_localize(None), "datetime64[s]")


def _turns(frame: pd.DataFrame, values: ArrayLike) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the times and values of a curve without the points in the middle of its level parts."""
    value = np.asarray(values, np.float64)
    changed = np.diff(value) != 0
    kept = np.concatenate([[True], changed]) | np.concatenate([changed, [True]])
    return _hours(frame)[kept], value[kept]


def words(name: str) -> str:
    """Return a policy's name for a person."""
    return name.replace("_", " ").strip()
