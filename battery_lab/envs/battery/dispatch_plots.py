"""Plots of a battery's dispatch, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.envs.battery.bid_plots import bid_panels
from battery_lab.envs.battery.week_plot import POLICY, Frames, best_week, in_gap, median_week, week_panel, words
from battery_lab.report import Panel
from battery_lab.report.plot_style import BLUE, GREY, ORANGE, colours, legend_above, number_axis, short, symlog

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More points than pixels are not visible.
SHARES = np.linspace(0, 1, 501)
# SoC is at its limits most of the time: cells centred on 0, 5, ... 100 % do not spread it beyond them.
SOC_EDGES = np.arange(-0.025, 1.03, 0.05)


def panels(frame: pd.DataFrame, currency: str, baselines: Frames) -> list[Panel]:
    """Return the plots of one policy over a period.

    Args:
        frame: a frame from ``Dispatch.frame``.
        currency: currency of prices and money.
        baselines: frames of other policies over the same period, by name.

    The rows of gaps, in which no battery can do anything, count in no plot.
    """
    known = frame[~in_gap(frame)]
    others = {name: other[~in_gap(other)] for name, other in baselines.items()}
    return [
        week_panel(
            "A median week",
            "The complete week with the median profit. ",
            median_week,
            frame,
            currency,
            baselines,
        ),
        week_panel(
            "The best week",
            "The complete week with the largest profit. ",
            best_week,
            frame,
            currency,
            baselines,
        ),
        _months(known, currency, others),
        _days(known, currency, others),
        _soc(known, others),
        _trading(known, currency),
        *bid_panels(known, currency),
    ]


def monthly_profit(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the profit of each local month, indexed by its first day; the months sum to the period's profit."""
    month = frame["local_start"].dt.tz_localize(None).dt.to_period("M").dt.to_timestamp()
    return frame["profit"].groupby(month.to_numpy()).sum()


def daily_profit(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the profit of each local day."""
    day = frame["local_start"].dt.tz_localize(None).dt.normalize()
    return frame["profit"].groupby(day.to_numpy()).sum()


def price_curve(frame: pd.DataFrame, volume_mwh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the price at or below which each share of a volume was traded.

    Args:
        frame: frame with a column ``price``.
        volume_mwh: (T,) volume traded in each interval, zero or more.

    Returns:
        (501,) prices at the shares 0 to 1; NaN if nothing was traded.
    """
    traded = volume_mwh > 0
    if not traded.any():
        return np.full(len(SHARES), np.nan)
    price = frame["price"].to_numpy(np.float64)[traded]
    order = np.argsort(price, kind="stable")
    share = np.cumsum(volume_mwh[traded][order])
    place = np.searchsorted(share / share[-1], SHARES)
    curve: NDArray[np.float64] = price[order][np.minimum(place, len(price) - 1)]
    return curve


def _months(frame: pd.DataFrame, currency: str, baselines: Frames) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        own = monthly_profit(frame)
        place = np.arange(len(own))
        axes.bar(place, own, color=BLUE, width=0.7, label=POLICY)
        for name, colour in colours(baselines).items():
            other = monthly_profit(baselines[name]).reindex(own.index)
            axes.hlines(other, place - 0.42, place + 0.42, color=colour, linewidth=2.5, label=words(name))
        days = frame["local_start"].dt.tz_localize(None).dt.normalize().drop_duplicates()
        held = days.groupby(days.dt.to_period("M").dt.to_timestamp().to_numpy()).size()
        axes.set_xticks(place, [_month_label(month, int(held[month])) for month in own.index])
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_ylabel(f"profit per month, {currency}")
        number_axis(axes.yaxis)
        axes.grid(axis="x", visible=False)
        legend_above(axes, 3)

    return Panel(
        title="Profit by month",
        caption="Local months. Bars show the policy, lines the baselines. The label of an incomplete month gives its "
        "number of days in the period.",
        draw=draw,
        size=(10.0, 4.4),
    )


def _month_label(month: pd.Timestamp, days: int) -> str:
    label = f"{month:%b}" if month.month > 1 else f"{month:%b}\n{month:%Y}"
    return label if days == month.days_in_month else f"{month:%b}\n{month:%Y}\n{days} d"


def _days(frame: pd.DataFrame, currency: str, baselines: Frames) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, colour in colours(baselines).items():
            ranked = np.sort(daily_profit(baselines[name]))[::-1]
            axes.plot(*_shares(ranked), color=colour, linewidth=1.2, label=words(name))
        ranked = np.sort(daily_profit(frame))[::-1]
        axes.plot(*_shares(ranked), color=BLUE, linewidth=2.4, label=POLICY)
        axes.axhline(0, color=GREY, linewidth=0.8)
        symlog(axes, ranked, (1, 2, 5))
        axes.set_title(_concentration(ranked))
        axes.set(xlabel="share of days, best first, %", ylabel=f"profit per day, {currency}", xlim=(0, 100))
        axes.legend(loc="upper right", ncols=2)

    return Panel(
        title="Days by profit",
        caption="Each policy's local days in order of its own profit, the best first. A point gives the share of days "
        "with at least that profit. Linear near zero, logarithmic beyond.",
        draw=draw,
        size=(10.0, 4.4),
    )


def _shares(ranked: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return 100 * (np.arange(len(ranked)) + 0.5) / max(len(ranked), 1), ranked


def _concentration(ranked: NDArray[np.float64]) -> str:
    """Return how few days earned half of the profit, in words."""
    total = float(ranked.sum())
    if not total > 0:
        return f"{int((ranked < 0).sum())} of {len(ranked)} days lost money"
    few = int(np.searchsorted(np.cumsum(ranked), total / 2)) + 1
    return f"the best {few} of {len(ranked)} days earned half of the profit; {int((ranked < 0).sum())} lost money"


def _soc(frame: pd.DataFrame, baselines: Frames) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs(soc_shares(frame) * 100, SOC_EDGES * 100, fill=True, color=BLUE, alpha=0.75, label=POLICY)
        for name, colour in colours(baselines).items():
            other = soc_shares(baselines[name])
            axes.stairs(other * 100, SOC_EDGES * 100, color=colour, linewidth=1.3, label=words(name))
        axes.set(xlabel="SoC, % of capacity", ylabel="share of time, %", xlim=(-2.5, 102.5))
        axes.set_xticks(range(0, 101, 10))
        legend_above(axes, 3)

    return Panel(
        title="State of charge",
        caption="Share of time in cells of 5 % of capacity, centred on 0, 5, 10 ... %.",
        draw=draw,
        size=(10.0, 4.0),
    )


def soc_shares(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the share of time in each cell of ``SOC_EDGES``; they sum to 1."""
    counts, _ = np.histogram(frame["soc"].to_numpy(np.float64), SOC_EDGES)
    return counts / max(int(counts.sum()), 1)


def _trading(frame: pd.DataFrame, currency: str) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        power = frame["power_mw"].to_numpy(np.float64)
        kinds = (("market, all hours", GREY, np.ones(len(power))), ("bought", BLUE, -power), ("sold", ORANGE, power))
        for name, colour, volume in kinds:
            held = np.maximum(volume, 0)
            mean = float((held * frame["price"]).sum() / held.sum()) if held.any() else float("nan")
            label = f"{name}, mean {short(round(mean))} {currency}/MWh" if np.isfinite(mean) else f"{name}: nothing"
            axes.plot(100 * SHARES, price_curve(frame, held), color=colour, label=label, linewidth=2)
        symlog(axes, frame["price"], (1, 2, 5))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="share of energy (market: of time), %", ylabel=f"price, {currency}/MWh", xlim=(0, 100))
        axes.legend(loc="upper left")

    return Panel(
        title="Prices bought and sold at",
        caption="A point gives the share of the energy that was bought or sold at that price or below. Grey is the "
        "market's distribution of prices over time. Linear near zero, logarithmic beyond.",
        draw=draw,
        size=(10.0, 4.4),
    )
