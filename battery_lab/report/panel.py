"""A picture of the report, and how it becomes text of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture with its words.

    Attributes:
        title: what is seen.
        caption: how to read it.
        draw: puts axes on an empty figure.
        size: width and height, inches.
    """

    title: str
    caption: str
    draw: Callable[[Figure], None]
    size: tuple[float, float]


def data_uri(panel: Panel) -> str:
    """Draw a panel and return it as the address of an image that holds all its bytes."""
    # Drawing is slow to import and only needed at the end of a run. No pyplot: that keeps every figure for ever.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=panel.size, layout="constrained")
    FigureCanvasAgg(figure)
    panel.draw(figure)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
