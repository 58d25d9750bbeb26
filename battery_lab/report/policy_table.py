"""Policy table: metrics of all policies, one row each, for the terminal and for the page."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from battery_lab.common.capture_and_lift_names import CAPTURE, LIFT
from battery_lab.envs.interfaces import NotedWorld, known_when

if TYPE_CHECKING:
    from battery_lab.envs.baseline_interface import BaselinePeriod
    from battery_lab.envs.interfaces import World

MISSING = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric of all policies.

    Attributes:
        heading: label of the metric.
        unit: unit of the metric; may be empty.
        cells: values as text, in the order of the policies.
    """

    heading: str
    unit: str
    cells: list[str]


def table_title(world: World | BaselinePeriod, period: str = "test") -> str:
    """Return the heading of the table of policies, with what they knew when they acted."""
    known = known_when(world)[0]
    return f"Policies {_when(period)}{f' ({printable(known)})' if known else ''}"


def _when(period: str) -> str:
    """Return a period in words: by its name, or by its days."""
    first, days, last = period.partition("/")
    return f"from {first} to {last}" if days else f"in the {period} period"


def render_table(table: pd.DataFrame, world: World | BaselinePeriod, period: str = "test") -> Table:
    """Return the table of policies for a terminal.

    Args:
        table: one row per policy, indexed by its name, as ``experiment.policy_metrics.table`` makes it.
        world: declares the metrics.
        period: the period in which the policies were evaluated.
    """
    notes = world.data_notes() if isinstance(world, NotedWorld) else ()
    caption = Text("\n".join(map(printable, notes)), style="yellow") if notes else None
    shown = Table(
        title=Text(table_title(world, period)),
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    # On a narrow terminal names wrap; numbers do not.
    shown.add_column("policy", overflow="fold", vertical="bottom")
    shown_columns = columns(table, world)
    for column in shown_columns:
        heading = textwrap.fill(printable(column.heading), 1 + len(column.heading) // 2, break_long_words=False)
        heading += f"\n{printable(column.unit)}" if column.unit else ""
        # Text, because rich parses a plain string as markup.
        shown.add_column(Text(heading), justify="right", vertical="bottom", no_wrap=True)
    for place, name in enumerate(table.index):
        shown.add_row(Text(printable(name)), *(Text(column.cells[place]) for column in shown_columns))
    return shown


def columns(table: pd.DataFrame, world: World | BaselinePeriod) -> list[Column]:
    """Return the columns of a table of policies as text.

    Metrics in the unit of the score come first, then the shares, then the other metrics.
    """
    metrics = {metric.name: metric for metric in world.metrics}
    unit = metrics[world.score].unit
    first = [name for name, metric in metrics.items() if metric.unit == unit]
    order = [*first, CAPTURE, LIFT, *metrics, *map(str, table.columns)]
    names = [name for name in dict.fromkeys(order) if name in table.columns]
    labels = {name: metric.label for name, metric in metrics.items()}
    units = {name: metric.unit for name, metric in metrics.items()}
    return [
        Column(
            heading=labels.get(name, name.replace("_", " ")),
            unit=units.get(name, ""),
            cells=[_cell(name, value, units.get(name, "")) for value in table[name].tolist()],
        )
        for name in names
    ]


def printable(text: object) -> str:
    """Return text without control characters and characters that cannot be encoded."""
    known = str(text).encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in known)


def _cell(name: str, value: object, unit: str) -> str:
    if not isinstance(value, int | float):
        return MISSING if value is None else printable(value)
    if not math.isfinite(value):
        return MISSING
    if name == LIFT:
        return f"{value:+,.0%}".replace("-", "\N{MINUS SIGN}")
    digits = 0 if unit and abs(value) >= 100 else 3 if name == CAPTURE else 2
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")
