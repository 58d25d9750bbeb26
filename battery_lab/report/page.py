"""Report page: ``report.html``, one file without network access and scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from battery_lab.common.run_folder import RunFolder
from battery_lab.report.inline_svg import svg
from battery_lab.report.policy_table import columns, table_title
from battery_lab.report.run_records import read_looks, read_trial
from battery_lab.report.training_facts import better_recipe, training_facts
from battery_lab.report.training_plots import training_panels

if TYPE_CHECKING:
    from jinja2 import Template

    from battery_lab.envs.interfaces import Panel, World


def write_report(
    folder: Path,
    *,
    title: str,
    world: World,
    table: pd.DataFrame,
    panels: Sequence[Panel],
    curves: pd.DataFrame,
    figures: Mapping[str, float] | None = None,
) -> Path:
    """Write ``report.html`` atomically and return its path.

    A plot that fails is replaced by its error message, so that the run keeps its other results.

    Args:
        folder: the run folder; the page shows its trial, metrics and evaluations on the test period if they exist.
        title: the heading.
        world: declares its metrics and the facts in the heading.
        table: one row per policy, indexed by its name.
        panels: the plots of the environment.
        curves: one row per line of ``curves.jsonl``; may be empty.
        figures: metrics of the training. None: those of the finished run.
    """
    summary = world.summary()
    training = training_panels(curves, world)
    looks = read_looks(folder)
    page = _template().render(
        title=title,
        summary={**summary, **training_facts(folder, list(summary), figures), **better_recipe(folder, world)},
        policies=[str(name) for name in table.index],
        evaluated=looks[-1]["policy"] if looks else "",
        table_title=table_title(world),
        columns=columns(table, world),
        sections=[("In the test period", _plots(panels, "test")), ("Training", _plots(training, "training"))],
        looks=looks,
        trial=read_trial(folder),
    )
    run = RunFolder(folder)
    # A name may hold bytes of a file name that is not UTF-8; they become question marks.
    run.write_report(page.encode("utf-8", "replace"))
    return run.report


def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("battery_lab.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("template.html")


def _plots(panels: Sequence[Panel], prefix: str) -> list[dict[str, str]]:
    """Draw panels. ``svg`` is markup that matplotlib has escaped; all other values are plain text."""
    plots = []
    for place, panel in enumerate(panels):
        plot = {"title": panel.title, "caption": panel.caption, "svg": "", "failure": ""}
        try:
            plot["svg"] = svg(panel, f"{prefix}{place}")
        except Exception as error:  # a plot may fail in any way
            plot["failure"] = f"{type(error).__name__}: {error}"
        plots.append(plot)
    return plots
