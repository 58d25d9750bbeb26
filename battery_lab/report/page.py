"""The page ``report.html``: all of it in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from battery_lab.report.panel import Panel, data_uri
from battery_lab.report.tables import columns, rows


def write_report(
    folder: Path,
    *,
    title: str,
    summary: Mapping[str, str],
    table: pd.DataFrame,
    panels: Sequence[Panel],
    curves: pd.DataFrame,
) -> Path:
    """Write ``report.html`` whole or not at all, and return its path.

    Args:
        folder: the run folder.
        title: the heading.
        summary: what a reader should know of the world, by label.
        table: one row a policy.
        panels: the environment's pictures.
        curves: one row a line of ``curves.jsonl``; may be empty.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("battery_lab.report", ".")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("template.html")
    page = template.render(
        title=title,
        summary=summary,
        columns=columns(table),
        rows=rows(table),
        pictures=[{"title": panel.title, "caption": panel.caption, "src": data_uri(panel)} for panel in panels],
    )
    path = folder / "report.html"
    part = folder / "report.html.part"
    part.write_text(page, encoding="utf-8")
    os.replace(part, path)
    return path
