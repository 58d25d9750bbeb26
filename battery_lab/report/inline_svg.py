"""Inline SVG: a matplotlib figure as an SVG element inside a page."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

from battery_lab.envs.interfaces import Panel
from battery_lab.report.plot_style import RC

# Parts of a standalone SVG file that the page does not need. The page must not contain any URL.
_PREAMBLE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>|\s*<style type=\"text/css\">.*?</style>", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')
_INK = re.compile(r"\b(fill|stroke): #000000\b")
_PAPER = re.compile(r"\b(fill|stroke): #ffffff\b")
# Two decimals are finer than any screen; six make the page twice as large.
_PATH = re.compile(r'(?<=\sd=")[^"]*')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r'(\bid="|\bhref="#|url\(#)')


def svg(panel: Panel, prefix: str) -> str:
    """Draw a panel and return it as an ``<svg>`` element without external resources.

    Args:
        panel: the panel.
        prefix: prefix of all ids in the element, so that ids are unique on the page.
    """
    # Imported late: matplotlib is slow to import. No pyplot: it keeps every figure alive.
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        # The browser draws the text, with more glyphs than the fonts of matplotlib have.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure = Figure(figsize=panel.size, layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)  # matplotlib has no type annotations
        panel.draw(figure)
        # savefig would draw the whole figure twice, the first time for its layout.
        canvas.print_svg(text, metadata={"Date": None})
    return _inline(text.getvalue(), prefix)


def _inline(file: str, prefix: str) -> str:
    head, tag, body = _PREAMBLE.sub("", file, count=1).partition(">")
    body = _METADATA.sub("", body, count=2).replace("xlink:href=", "href=")
    body = _ID.sub(rf"\g<1>{prefix}-", body)
    body = _PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), body)
    body = _PAPER.sub(r"\1: var(--paper)", _INK.sub(r"\1: var(--ink)", body))
    return _NAMESPACE.sub("", head) + tag + body
