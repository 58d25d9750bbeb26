"""Row selection: the rows of one region, zone or node, and the error for files that hold several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError, shorten
from battery_lab.market.rows_with_source import row_error


def select_rows(file: Path, frame: pd.DataFrame, field: str, choice: str | None) -> pd.DataFrame:
    """Return the rows of one region, zone or node.

    Args:
        file: the file.
        frame: its rows, with a column ``field``.
        field: the option that selects, for example ``region``.
        choice: the name to select; None selects the only one in the file.

    Raises:
        DataError: ``choice`` is None and the file has several names.
    """
    names = pd.unique(frame[field])
    if choice is None:
        if len(names) > 1:
            second = int(np.argmax(frame[field] != names[0]))
            raise mixed_selection_error(file, int(frame["row"].iloc[second]), field, names)
        return frame
    return frame[frame[field].isin([name for name in names if name.casefold() == choice.casefold()])]


def mixed_selection_error(file: Path, row: int, field: str, names: Sequence[str]) -> DataError:
    """Return the error for files that hold several regions, zones or nodes."""
    kind = field.replace("_", " ")
    return row_error(file, row, f"a second {kind} begins: {join_names(names)}", f"Choose one with market.{field}=...")


def join_names(names: Sequence[str]) -> str:
    """Return names as text, at most the first twelve; a damaged file may have long ones."""
    shown = ", ".join(shorten(str(name), 60) or "(empty)" for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
