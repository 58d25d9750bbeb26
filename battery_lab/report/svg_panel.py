"""A picture of the report, and how it becomes a part of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from battery_lab.report.plot_style import RC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Namespaces, dates and styles of a file of its own: the page has its own, and must name no address at all.
_PREAMBLE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>|\s*<style type=\"text/css\">.*?</style>", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')
_INK = re.compile(r"\b(fill|stroke): #000000\b")
_PAPER = re.compile(r"\b(fill|stroke): #ffffff\b")
# A hundredth of a point is finer than any screen; six digits make the page twice as heavy.
_PATH = re.compile(r'(?<=\sd=")[^"]*')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r'(\bid="|\bhref="#|url\(#)')


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture with its words.

    Attributes:
        title: what is seen.
        caption: how to read it.
        draw: puts axes on an empty figure; black and white become the ink and paper of the page, dark or light.
        size: width and height, inches.
    """

    title: str
    caption: str
    draw: Callable[[Figure], None]
    size: tuple[float, float]


def svg(panel: Panel, prefix: str) -> str:
    """Draw a panel and return it as an ``<svg>`` element that loads nothing.

    Args:
        panel: the panel.
        prefix: begins every id in it, so that two pictures on a page do not share one.
    """
    # Drawing is slow to import and only needed at the end of a run. No pyplot: that keeps every figure for ever.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        # Letters are drawn by the browser's fonts, which have more of them than matplotlib's.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure = Figure(figsize=panel.size, layout="constrained")
        FigureCanvasAgg(figure)
        panel.draw(figure)
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _inline(text.getvalue(), prefix)


def _inline(file: str, prefix: str) -> str:
    head, tag, body = _PREAMBLE.sub("", file, count=1).partition(">")
    body = _METADATA.sub("", body, count=2).replace("xlink:href=", "href=")
    body = _ID.sub(rf"\g<1>{prefix}-", body)
    body = _PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), body)
    body = _PAPER.sub(r"\1: var(--paper)", _INK.sub(r"\1: var(--ink)", body))
    return _NAMESPACE.sub("", head) + tag + body
