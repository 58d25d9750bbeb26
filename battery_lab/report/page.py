"""The page ``report.html``: one file that needs no other, no network and no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from battery_lab.common.run_folder import RunFolder
from battery_lab.report.header import header
from battery_lab.report.run_records import read_looks, read_trial
from battery_lab.report.svg_panel import Panel, svg
from battery_lab.report.tables import columns
from battery_lab.report.training_plots import training_panels

if TYPE_CHECKING:
    from battery_lab.envs.base import World


def write_report(
    folder: Path,
    *,
    title: str,
    world: World,
    table: pd.DataFrame,
    panels: Sequence[Panel],
    curves: pd.DataFrame,
) -> Path:
    """Write ``report.html`` whole or not at all, and return its path.

    A picture that cannot be drawn is replaced by a sentence that says why: by now the run has its results.

    Args:
        folder: the run folder; its trial, its figures and its looks at test time are shown if it holds them.
        title: the heading.
        world: declares its metrics and the facts in the heading.
        table: one row per policy, indexed by its name.
        panels: the environment's pictures.
        curves: one row a line of ``curves.jsonl``; may be empty.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("battery_lab.report", ".")
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    summary = world.summary()
    training = training_panels(curves, world)
    looks = read_looks(folder)
    page = templates.get_template("template.html").render(
        title=title,
        summary={**summary, **header(folder, list(summary))},
        policies=[str(name) for name in table.index],
        judged=looks[-1]["policy"] if looks else "",
        columns=columns(table, world),
        sections=[
            ("On test time", _pictures(panels, "test")),
            ("Training", _pictures(training, "training")),
        ],
        looks=looks,
        trial=read_trial(folder),
    )
    run = RunFolder(folder)
    # A name may hold bytes of a file name that is not UTF-8; a question mark is better than no page.
    run.write_report(page.encode("utf-8", "replace"))
    return run.report


def _pictures(panels: Sequence[Panel], prefix: str) -> list[dict[str, str]]:
    """Draw panels; ``svg`` is markup that matplotlib wrote and escaped, all else is text."""
    pictures = []
    for place, panel in enumerate(panels):
        picture = {"title": panel.title, "caption": panel.caption, "svg": "", "failure": ""}
        try:
            picture["svg"] = svg(panel, f"{prefix}{place}")
        except Exception as error:  # whatever a picture does, the other results stay
            picture["failure"] = f"{type(error).__name__}: {error}"
        pictures.append(picture)
    return pictures
