"""Week plot: one week of dispatch, and the choice of the week."""

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

POLICY = "this policy"
Frames = Mapping[str, pd.DataFrame]


def weeks(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the complete local weeks, Monday to Sunday; the whole period if it has none.

    A week with a clock change is complete with one hour less or more, and one with a gap is not complete.
    """
    local = frame["local_start"].dt.tz_localize(None)
    monday = local.dt.normalize() - pd.to_timedelta(local.dt.day_of_week, unit="D")
    groups = [week for _, week in frame.groupby(monday.to_numpy())]
    rows = max((len(week) for week in groups), default=0)
    complete = [
        week
        for week in groups
        if week["local_start"].dt.day_of_week.nunique() == 7 and len(week) >= 0.98 * rows and not in_gap(week).any()
    ]
    return complete or [frame]


def in_gap(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return (T,) True in the rows of gaps; frames of earlier versions do not mark them."""
    return frame["gap"].to_numpy(np.bool_) if "gap" in frame else np.zeros(len(frame), np.bool_)


def median_week(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the week with the median profit; of an even number of weeks, the lower of the middle two."""
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
    """Return a plot of one week of a period; ``choose`` selects the week when the plot is drawn."""

    def draw(figure: Figure) -> None:
        week = choose(frame)
        rows = figure.subplots(4, sharex=True, height_ratios=[3, 2, 2, 2.2])
        first, last = week["local_start"].iloc[0], week["local_start"].iloc[-1]
        figure.suptitle(f"{first:%a %d %b %Y} to {last:%a %d %b %Y}", x=0.01, ha="left", fontsize=11)
        _draw_price(rows[0], week, currency)
        # Scaled by the whole period: in a week of spikes, everyday prices would be a flat line.
        symlog(rows[0], frame["price"])
        _draw_power(rows[1], week)
        rows[2].fill_between(_hours(week), 100 * week["soc"], color=GREEN, alpha=0.35, linewidth=0)
        rows[2].plot(_hours(week), 100 * week["soc"], color=GREEN)
        rows[2].set(ylabel="SoC, %", ylim=(0, 100))
        _draw_profit(rows[3], week, currency, baselines)
        _day_axis(rows[3], week)
        figure.align_ylabels(rows)

    return Panel(
        title=title,
        caption=which + "Local time. The price axis is linear near zero and logarithmic beyond, to show both spikes "
        "and everyday prices. Power is delivered power at the grid connection: up sells, down buys. The last row is "
        "each policy's cumulative profit from the start of the week.",
        draw=draw,
        size=(10.0, 7.6),
    )


def _draw_price(axes: Axes, week: pd.DataFrame, currency: str) -> None:
    axes.plot(_hours(week), week["price"].mask(in_gap(week)), color=GREY, linewidth=1.0, drawstyle="steps-post")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(f"price,\n{currency}/MWh")


def _draw_power(axes: Axes, week: pd.DataFrame) -> None:
    power = week["power_mw"].to_numpy(np.float64)
    for sign, colour, name in ((1, ORANGE, "sells"), (-1, BLUE, "buys")):
        part = np.where(sign * power > 0, power, 0.0)
        axes.fill_between(*_corners(week, part), step="post", color=colour, linewidth=0, label=name)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel("power, MW")
    legend_above(axes, 2)


def _draw_profit(axes: Axes, week: pd.DataFrame, currency: str, baselines: Frames) -> None:
    colour = colours(baselines)
    for name, other in baselines.items():
        same = other[other["start"].isin(week["start"])]
        axes.plot(*_corners(same, same["profit"].cumsum()), color=colour[name], linewidth=1.1, label=words(name))
    axes.plot(*_corners(week, week["profit"].cumsum()), color=BLUE, linewidth=2.4, label=POLICY)
    axes.set_ylabel(f"cumulative\nprofit, {currency}")
    number_axis(axes.yaxis)
    legend_above(axes, 3)


def _day_axis(axes: Axes, week: pd.DataFrame) -> None:
    """Mark local midnights by ticks with labels and grid lines in all rows, and every sixth hour in this one."""
    times = _sixth_hours(week["local_start"])
    days = times[times.hour < 6]  # 0, or the end of a clock change that skips midnight
    axes.set_xticks(_utc(days), [f"{day:%a %d}" for day in days])
    # One line with markers: 84 minor ticks in the four rows would take half of the drawing time.
    ticks: dict[str, Any] = {
        "marker": "|",
        "color": "black",
        "linestyle": "none",
        "markersize": 5,
        "markeredgewidth": 0.6,
    }
    axes.plot(_utc(times), np.zeros(len(times)), transform=axes.get_xaxis_transform(), clip_on=False, **ticks)
    for row in axes.figure.axes:
        row.margins(x=0)
    axes.set_xlabel(f"local time, {zone_words(week['local_start'])}")


def _sixth_hours(local: pd.Series[Any]) -> pd.DatetimeIndex:
    """Return 0, 6, 12 and 18 o'clock of each local day between the first and the last of some local times."""
    first, last = local.iloc[0], local.iloc[-1]
    clock = pd.date_range(first.tz_localize(None).normalize(), last.tz_localize(None), freq="6h")
    times = clock.tz_localize(local.dt.tz, ambiguous=np.ones(len(clock), bool), nonexistent="shift_forward")
    return times[(times >= first) & (times <= last)]


def zone_words(local: pd.Series[Any]) -> str:
    """Return the UTC offsets of local times, and the name of the zone.

    A name alone can mislead: Etc/GMT-10 is ten hours ahead of UTC. With clock changes there are two offsets.
    """
    offsets = dict.fromkeys(f"UTC{start:%z}" for start in local)
    words = " and ".join(f"{offset[:-2]}:{offset[-2:]}" for offset in offsets)
    name = str(local.dt.tz)
    return words if name.startswith("UTC") else f"{words} ({name})"


def _hours(frame: pd.DataFrame) -> NDArray[np.datetime64]:
    """Return the starts in UTC, in which no hour occurs twice."""
    return _utc(pd.DatetimeIndex(frame["start"]))


def _utc(times: pd.DatetimeIndex) -> NDArray[np.datetime64]:
    return np.asarray(times.tz_convert("UTC").tz_localize(None), "datetime64[s]")


def _corners(frame: pd.DataFrame, values: ArrayLike) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the times and values of a curve without the inner points of its constant parts."""
    value = np.asarray(values, np.float64)
    changed = np.diff(value) != 0
    kept = np.concatenate([[True], changed]) | np.concatenate([changed, [True]])
    return _hours(frame)[kept], value[kept]


def words(name: str) -> str:
    """Return the readable name of a policy."""
    return name.replace("_", " ").strip()
