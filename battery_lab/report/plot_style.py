"""Plot style: the palette, the sizes, and the format of numbers on axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008), "Color Universal Design": distinct for every kind of colour blindness, on white and on black.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GREY = "#cc79a7", "#56b4e9", "#808080"
SEQUENCE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, GREY)

# Black and white become the ink and paper colours of the page, see inline_svg.py.
RC: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "grid.linewidth": 0.6,
    "legend.facecolor": "white",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    # User-defined names are shown literally: a dollar sign starts no formula.
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each policy; blue is reserved for the evaluated policy."""
    rest = SEQUENCE[1:]
    return {name: rest[place % len(rest)] for place, name in enumerate(names)}


def short(value: float, _: object = None) -> str:
    """Format a number on an axis: ``1,500`` or ``1.2 M``, with a true minus sign and no powers of ten."""
    size = abs(value)
    if not math.isfinite(value):
        return ""
    if size >= 1e6:
        text = f"{size / 1e6:.4g} M"
    elif size >= 1000:
        text = f"{size:,.0f}"
    else:
        text = f"{size:.4g}"
    return f"\N{MINUS SIGN}{text}" if value < 0 else text


def number_axis(axis: Any) -> None:
    """Format the numbers of an axis with ``short``."""
    axis.set_major_formatter(short)


def symlog(axes: Axes, values: ArrayLike, subs: Sequence[int] = (1,)) -> None:
    """Scale the y axis so that spikes and typical values are both visible: linear near zero, logarithmic beyond.

    Args:
        axes: the axes to scale.
        values: the plotted values; the power of ten nearest to their median magnitude ends the linear part.
        subs: the multiples of each power of ten that get a tick.
    """
    from matplotlib.ticker import FixedLocator

    class VisibleTicks(FixedLocator):
        """Ticks at fixed values; matplotlib would also create and place those outside the axes."""

        def __call__(self) -> Any:
            low, high = sorted(axes.yaxis.get_view_interval())
            return [tick for tick in super().__call__() if low <= tick <= high]

    linear = linear_end(values)
    axes.set_yscale("symlog", linthresh=linear)
    # matplotlib's own locator crowds the linear part with ticks.
    axes.yaxis.set_major_locator(VisibleTicks(symlog_ticks(linear, subs)))
    number_axis(axes.yaxis)


def linear_end(values: ArrayLike) -> float:
    """Return where the linear part of a symlog scale ends: the power of ten nearest to the values' median magnitude."""
    size = np.abs(np.asarray(values, np.float64))
    size = size[np.isfinite(size) & (size > 0)]
    return 10.0 ** round(math.log10(float(np.median(size)))) if len(size) else 1.0


def symlog_ticks(linear: float, subs: Sequence[int]) -> list[float]:
    """Return 0 and, from the end of the linear part on, the multiples ``subs`` of the powers of ten, on both sides."""
    beyond = [linear * 10.0**decade * sub for decade in range(9) for sub in subs]
    return [0.0, *beyond, *(-tick for tick in beyond)]


def legend_above(axes: Axes, columns: int) -> None:
    """Place the legend above the axes, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2)
