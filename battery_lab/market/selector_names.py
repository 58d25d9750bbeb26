"""Selector names: the regions, zones or nodes that files hold, and the one to propose where they hold several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from battery_lab.common.errors import DataError
from battery_lab.market.file_market_base import FileMarket


def choose_selection(market: FileMarket, files: Sequence[Path]) -> tuple[FileMarket, dict[str, list[str]]]:
    """Return a market with a choice for each selector of which the files hold several names, and these names.

    The first name of ``usual_selection`` that the files hold is proposed, else the one with most rows. Names of one
    selector are those among the rows that the selectors before it choose.

    Args:
        market: the market; a selection that is set stays.
        files: the files to look at.

    Raises:
        DataError: no file can be parsed.
    """
    rows = _rows_by_names(market, files)
    choices: dict[str, list[str]] = {}
    for place, field in enumerate(market.selectors):
        chosen = getattr(market, field)
        counts: Counter[str] = Counter()
        for names, count in rows.items():
            counts[names[place]] += count
        if chosen is None and len(counts) > 1:
            choices[field] = sorted(counts)
            usual = [name for name in market.usual_selection if name in counts]
            chosen = usual[0] if usual else counts.most_common(1)[0][0]
            choice: dict[str, Any] = {field: chosen}
            market = replace(market, **choice)
        if chosen is not None:
            rows = {names: n for names, n in rows.items() if names[place].casefold() == str(chosen).casefold()}
    return market, choices


def _rows_by_names(market: FileMarket, files: Sequence[Path]) -> dict[tuple[str, ...], int]:
    """Return the number of rows by the names in all selectors."""
    counts: Counter[tuple[str, ...]] = Counter()
    failures = []
    for file in files if market.selectors else ():
        try:
            frame = market.read(file)
        except DataError as error:
            failures.append(error)
        else:
            counts.update(frame.groupby(list(market.selectors), sort=False).size().to_dict())
    if failures and not counts:
        raise failures[0]
    return {names if isinstance(names, tuple) else (names,): count for names, count in counts.items()}
