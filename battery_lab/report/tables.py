"""The table of all policies, for a terminal and for a page."""

from __future__ import annotations

import math

import pandas as pd
from rich.table import Table
from rich.text import Text

_MISSING = "–"


def _money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def render_table(table: pd.DataFrame, unit: str) -> Table:
    """Lay out the policies for a terminal.

    Args:
        table: one row a policy, indexed by its name, as ``evaluation.table`` makes it.
        unit: of the score, for instance ``AUD/day``.
    """
    shown = Table(title=Text(f"Policies on test time, money in {unit}"))
    for position, heading in enumerate(columns(table)):
        shown.add_column(Text(heading), justify="left" if position == 0 else "right")
    for row in rows(table):
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def columns(table: pd.DataFrame) -> list[str]:
    """Return the headings, the policy's first."""
    return ["policy", *(str(name).replace("_per_day", " a day").replace("_", " ") for name in table.columns)]


def rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the cells as text."""
    names: list[str] = [str(name) for name in table.columns]
    return [
        [str(policy), *(_cell(name, value) for name, value in zip(names, line, strict=True))]
        for policy, line in zip(table.index, table.to_numpy(), strict=True)
    ]


def _cell(name: str, value: object) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return _MISSING
    return f"{value:.3f}" if name == "capture" else _money(value)
