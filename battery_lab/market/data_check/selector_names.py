"""Selector names: the regions, zones or nodes that files hold, and the one to propose where they hold several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.row_selection import MixedSelectionError
from battery_lab.market.readers.file_market_base import FileMarket


@dataclass(kw_only=True)
class Selection:
    """What was chosen for the selectors of a market.

    Attributes:
        proposed: selector -> the name that was chosen, where files hold several and the user chose none.
        choices: the same selectors -> the names that there are.
        names: selector -> the name that the rows have.
    """

    proposed: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def choose_selection(market: FileMarket, files: Sequence[Path]) -> Selection:
    """Return a choice for each selector of which files hold several names.

    The first name of ``usual_selection`` that the files hold is proposed, else the one with most rows. Names of one
    selector are those among the rows that the selectors before it choose. Files that cannot be parsed count nowhere.

    Args:
        market: the market; a selection that is set stays.
        files: the files to look at.
    """
    selection = Selection()
    rows: Counter[tuple[str, ...]] = Counter()
    for file in files if market.selectors else ():
        frame, market = _read(market, file, selection)
        if frame is not None:
            sizes = frame.groupby(list(market.selectors), sort=False).size().to_dict()
            rows.update({names if isinstance(names, tuple) else (names,): count for names, count in sizes.items()})
    for place, selector in enumerate(market.selectors):
        chosen, counts = getattr(market, selector), Counter[str]()
        for names, count in rows.items():
            counts[str(names[place])] += count
        if chosen is None and len(counts) > 1:
            chosen = propose(market, selector, [name for name, _ in counts.most_common()], selection)
        chosen = next(iter(counts), None) if chosen is None else str(chosen)
        if chosen is not None:
            selection.names[selector] = chosen
            rows = Counter({names: n for names, n in rows.items() if str(names[place]).casefold() == chosen.casefold()})
    return selection


def propose(market: FileMarket, selector: str, names: Sequence[str], selection: Selection) -> str:
    """Add a proposal to a selection and return it: the first usual name, else the first one."""
    chosen = next((name for name in market.usual_selection if name in names), names[0])
    selection.proposed[selector] = chosen
    selection.choices[selector] = sorted(names)
    return chosen


def _read(market: FileMarket, file: Path, selection: Selection) -> tuple[pd.DataFrame | None, FileMarket]:
    """Return the rows of a file, and the market with what had to be chosen to read it."""
    while True:
        try:
            with market.reading():
                return market.read(file), market
        except MixedSelectionError as error:
            # Some readers parse the rows of one name only.
            if getattr(market, error.field, "") is not None:
                return None, market
            choice: dict[str, Any] = {error.field: propose(market, error.field, error.names, selection)}
            market = replace(market, **choice)
        except DataError:
            return None, market
