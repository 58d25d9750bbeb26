"""Reports of a small run, and their parsed pages."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from battery_lab import report
from battery_lab.envs.interfaces import Metric
from battery_lab.report import Panel

EVIL = "</script><script>alert(1)</script><img src=http://evil.example/x>--> $\\frac{1$ \x1b[31m[bold]"


class World:
    """The part of a world that reports use."""

    score, optimum, rule = "profit_per_day", "perfect_foresight", "rule"

    def __init__(self, unit: str = "AUD/day", summary: dict[str, str] | None = None) -> None:
        """Use a unit of money."""
        self._summary = summary or {"Market": "VIC1"}
        self.metrics = [
            Metric(name="profit_per_day", label="profit", unit=unit),
            Metric(name="revenue_per_day", label="revenue", unit=unit),
            Metric(name="equivalent_full_cycles_per_day", label="full cycles per day"),
        ]

    def summary(self) -> dict[str, str]:
        return self._summary


class Page(HTMLParser):
    """A parsed page."""

    def __init__(self, text: str) -> None:
        """Parse a page."""
        super().__init__()
        self.raw, self.text, self.tags = text, "", []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


def make_table(**rows: dict[str, float]) -> pd.DataFrame:
    rows = rows or {
        "perfect_foresight": {"profit_per_day": 6557.2, "capture": 1.0, "lift_over_rule": 3.2},
        "ppo": {"profit_per_day": -66.5, "capture": 0.61249, "lift_over_rule": float("nan")},
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def make_curves(lines: int = 30) -> pd.DataFrame:
    steps = 1000 * np.arange(1, lines + 1)
    curves = pd.DataFrame(
        {
            "env_steps": steps,
            "train/profit_per_day": np.linspace(-100.0, 400.0, lines),
            "reward_terms/revenue": 2.0,
            "learner/vf_loss": 1.0,
            "train/env_steps_per_second": 50_000.0,
            "validation/profit_per_day": np.nan,
            "validation/capture": np.nan,
            "validation/lift_over_rule": np.nan,
        }
    )
    validated = [lines // 2, lines - 1]
    curves.loc[validated, "validation/profit_per_day"] = [200.0, 300.0]
    curves.loc[validated, "validation/capture"] = [0.4, 0.6]
    curves.loc[validated, "validation/lift_over_rule"] = [0.6, 1.4]
    return curves


def dots(title: str = "dots", caption: str = "some dots") -> Panel:
    def draw(figure: Figure) -> None:
        figure.subplots().plot([0, 1], [1, 2], "k.", label=title)
        figure.axes[0].set_title(title)

    return Panel(title=title, caption=caption, draw=draw, size=(3.0, 2.0))


def write(folder: Path, **changes: Any) -> Page:
    fields: dict[str, Any] = {
        "title": "ppo, seed 0",
        "world": World(),
        "table": make_table(),
        "panels": [dots()],
        "curves": pd.DataFrame(),
    }
    return Page(report.write_report(folder, **(fields | changes)).read_text(encoding="utf-8"))


def terminal(table: pd.DataFrame, width: int, world: World | None = None) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(report.render_table(table, world or World()))
    return console.export_text()
