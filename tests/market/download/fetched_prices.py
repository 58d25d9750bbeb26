"""Fetched prices: downloads as the command makes them, and series as its commands read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from battery_lab.envs.battery.price_fetch import PriceFetch, fetch_prices
from battery_lab.market.market_series import MarketSeries
from tests.market import operator_files as files


def fetch(folder: Path, lines: list[str] | None = None, **chosen: str) -> PriceFetch:
    """Download into a folder; ``lines`` takes the progress."""
    options: dict[str, Any] = {name: (object, files.defaults(name)) for name in (chosen["market"], "nemweb")}
    keep = (lambda _done, _total, line: lines.append(line)) if lines is not None else lambda *_: None
    return fetch_prices({**chosen, "folder": str(folder)}, options, keep)


def read(fetched: PriceFetch, **changes: Any) -> MarketSeries:
    """Return the series that the last of the printed commands reads."""
    overrides = dict(fetched.next_steps[-1].overrides) | changes
    option, path = overrides.pop("market"), overrides.pop("market.path")
    values = {key.removeprefix("market."): value for key, value in overrides.items() if key.startswith("market.")}
    return files.read(option, path, **values)
