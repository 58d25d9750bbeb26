"""Plots of bids and offers, for the report of a policy that bids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.report import Panel
from battery_lab.report.plot_style import (
    BLUE,
    GREY,
    ORANGE,
    legend_above,
    linear_end,
    number_axis,
    short,
    symlog,
    symlog_ticks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
SIDES = ("bid_per_mwh", "offer_per_mwh")
HOUR_EDGES = np.arange(25.0)
SOC_CELL = 0.1
LEAST_INTERVALS = 3  # a cell with fewer shows chance
COLOURS = 40  # matplotlib draws a colour bar of 50 and more as an image
POINTS = np.linspace(0, 1, 501)  # more points than pixels are not visible


def bid_panels(frame: pd.DataFrame, currency: str) -> list[Panel]:
    """Return the plots of a policy that bids; none for a policy that requests power."""
    if not set(SIDES) <= set(frame.columns):
        return []
    return [_map(frame, currency), _accepted(frame, currency)]


def mean_prices(frame: pd.DataFrame, side: str, soc_edges: Array) -> Array:
    """Return the (S, 24) mean bid or offer by cell of the state of charge and hour of day; NaN where it was rarely.

    Args:
        frame: a frame of an evaluation.
        side: the column of prices.
        soc_edges: (S + 1,) edges of the cells.
    """
    hour, soc = frame["local_start"].dt.hour.to_numpy(), frame["soc"].to_numpy(np.float64)
    edges = [soc_edges, HOUR_EDGES]
    count, _, _ = np.histogram2d(soc, hour, edges)
    total, _, _ = np.histogram2d(soc, hour, edges, weights=frame[side].to_numpy(np.float64))
    means: Array = np.full_like(total, np.nan)
    np.divide(total, count, out=means, where=count >= LEAST_INTERVALS)
    return means


def soc_cells(frame: pd.DataFrame) -> Array:
    """Return the edges of cells of the state of charge: tenths of the range from the lowest to the highest one."""
    low, high = float(frame["soc"].min()), float(frame["soc"].max())
    edges = np.linspace(low, high, 11) if high > low else np.array([low - 0.05, low + 0.05])
    edges[[0, -1]] += [-1e-9, 1e-9]
    return np.asarray(edges)


def _map(frame: pd.DataFrame, currency: str) -> Panel:
    def draw(figure: Figure) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import SymLogNorm

        edges = soc_cells(frame)
        means = {side: mean_prices(frame, side, edges) for side in SIDES}
        shown = np.concatenate([cells[np.isfinite(cells)] for cells in means.values()])
        low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)
        linear = linear_end(shown)
        norm = SymLogNorm(linear, vmin=low, vmax=max(high, low + 1))
        style: Any = {"norm": norm, "cmap": colormaps["cividis"].resampled(COLOURS), "edgecolors": "face"}
        axes = figure.subplots(1, 2, sharey=True)
        for place, (side, cells) in zip(axes, means.items(), strict=True):
            colours = place.pcolormesh(HOUR_EDGES, 100 * edges, cells, **style)
            place.set(xlabel="local hour of day", title=f"mean {side.partition('_')[0]}", xticks=range(0, 25, 3))
            place.grid(visible=False)
        axes[0].set_ylabel("SoC, % of capacity")
        ticks = [-linear / 2, linear / 2, *symlog_ticks(linear, (1, 2, 5))]
        bar: Any = figure.colorbar(colours, ax=list(axes), format=short, ticks=ticks, pad=0.02, aspect=25)
        bar.ax.minorticks_off()
        bar.solids.set_edgecolor("face")
        bar.set_label(f"{currency}/MWh")

    return Panel(
        title="Bids and offers by hour and state of charge",
        caption="Means over the intervals of the period that began in the hour with that state of charge. The policy "
        "buys below its bid and sells above its offer. Cells with fewer than three intervals are empty. The colours "
        "are linear near zero, logarithmic beyond.",
        draw=draw,
        size=(10.0, 4.2),
    )


def accepted(frame: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the intervals in which the bid or the offer was accepted and power flowed."""
    power = frame["power_mw"].to_numpy(np.float64)
    return frame[power < 0] if side == SIDES[0] else frame[power > 0]


def duration(values: pd.Series[Any], interval_h: float) -> tuple[Array, Array]:
    """Return the points of a duration curve: hours, and the value that is exceeded in so many of them."""
    ranked = np.sort(values.to_numpy(np.float64))[::-1]
    place = np.unique((POINTS * max(len(ranked) - 1, 0)).round().astype(int)) if len(ranked) else np.empty(0, int)
    return (place + 0.5) * interval_h, ranked[place]


def _accepted(frame: pd.DataFrame, currency: str) -> Panel:
    def draw(figure: Figure) -> None:
        axes, step = figure.subplots(), frame["start"].diff().median()
        interval_h = step / pd.Timedelta(hours=1) if len(frame) > 1 else 1.0
        shown = []
        for side, colour, verb in zip(SIDES, (BLUE, ORANGE), ("bought", "sold"), strict=True):
            rows, name = accepted(frame, side), side.partition("_")[0]
            hours = f"{verb} in {short(round(len(rows) * interval_h))} h"
            axes.plot(*duration(rows[side], interval_h), color=colour, label=f"{name}, {hours}")
            price = duration(rows["price"], interval_h)
            axes.plot(*price, color=colour, linestyle=(0, (4, 2)), linewidth=1.1, label=f"price {verb} at")
            shown.append(rows[[side, "price"]].to_numpy(np.float64).ravel())
        symlog(axes, np.concatenate(shown), (1, 2, 5))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="hours of the period, highest price first", ylabel=f"price, {currency}/MWh")
        axes.set_xlim(left=0)
        number_axis(axes.xaxis)
        legend_above(axes, 4)

    return Panel(
        title="Accepted bids and offers",
        caption="Intervals in which the battery bought or sold. A point gives the number of hours with at least that "
        "price; each curve is sorted from the highest price to the lowest. Between bids and prices bought at lies what "
        "the policy would also have paid; between offers and prices sold at, what it earned above its offers. Linear "
        "near zero, logarithmic beyond.",
        draw=draw,
        size=(10.0, 4.4),
    )
