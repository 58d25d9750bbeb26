"""The table of all policies, for a terminal and for a page."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

MISSING = "\N{EN DASH}"
_MONEY = ("profit_per_day", "revenue_per_day")
# In the order in which they are read; whatever else an environment counts comes after.
_KNOWN = (*_MONEY, "capture", "lift_over_rule", "equivalent_full_cycles_per_day")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure of all policies.

    Attributes:
        heading: what it is.
        unit: what it is counted in; may be empty.
        cells: as text, in the order of the policies.
    """

    heading: str
    unit: str
    cells: list[str]


def render_table(table: pd.DataFrame, unit: str) -> Table:
    """Lay out the policies for a terminal.

    Args:
        table: one row a policy, indexed by its name, as ``evaluation.table`` makes it.
        unit: of the money, for instance ``AUD/day``.
    """
    shown = Table(title="Policies on test time", box=box.SIMPLE_HEAD, pad_edge=False)
    # On a narrow terminal names are folded, and figures stay whole.
    shown.add_column("policy", overflow="fold", vertical="bottom")
    found = columns(table, unit)
    for column in found:
        heading = textwrap.fill(printable(column.heading), 1 + len(column.heading) // 2, break_long_words=False)
        heading += f"\n{printable(column.unit)}" if column.unit else ""
        # Text and not a string: a string would be read as markup.
        shown.add_column(Text(heading), justify="right", vertical="bottom", no_wrap=True)
    for place, name in enumerate(table.index):
        shown.add_row(Text(printable(name)), *(Text(column.cells[place]) for column in found))
    return shown


def columns(table: pd.DataFrame, unit: str) -> list[Column]:
    """Return the figures of a table of policies as text, the known ones first."""
    names = [name for name in _KNOWN if name in table.columns]
    names += [str(name) for name in table.columns if name not in _KNOWN]
    return [
        Column(
            heading=_heading(name),
            unit=unit if name in _MONEY else "",
            cells=[_cell(name, value) for value in table[name].tolist()],
        )
        for name in names
    ]


def printable(text: object) -> str:
    """Return text without what steers a terminal or cannot be encoded."""
    known = str(text).encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in known)


def _heading(name: str) -> str:
    if name in _MONEY:
        return name.removesuffix("_per_day")
    return name.replace("equivalent_full_cycles", "full_cycles").replace("_per_", "_a_").replace("_", " ")


def _cell(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return MISSING if value is None else printable(value)
    if not math.isfinite(value):
        return MISSING
    if name == "lift_over_rule":
        return f"{value:+,.0%}".replace("-", "\N{MINUS SIGN}")
    digits = 0 if name in _MONEY and abs(value) >= 100 else 3 if name == "capture" else 2
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")
