"""Ladder over look-ahead: what a battery earns that plans again every interval, with perfect and with real forecasts.

    python -m benchmarks.look_ahead_ladder market.seed=5 market.years=2
    python -m benchmarks.look_ahead_ladder --seeds 5 6 7 8 9 --days 146 market.years=2
    python -m benchmarks.look_ahead_ladder --nem FOLDER --region NSW1

FOLDER holds AEMO's monthly tables DISPATCHPRICE and PREDISPATCHPRICE as Parquet files. The published study beside it is
that of NSW1 in 2021 (prakaa/NEMStorageUnderUncertainty): 100 MWh, SoC 10 to 90 %, a plan every 5 minutes on P5MIN and
predispatch, no value of the energy left at the end of a plan, no wear.

Three ways to dispatch the interval itself, all on the plan for the intervals after it: at its price, which is known;
at its forecast; by bids at the marginal value of stored energy, which the price clears.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from battery_lab.envs.battery.physics import Battery
from battery_lab.market.market_series import MarketSeries
from battery_lab.planning.perfect_foresight import plan
from benchmarks.look_ahead_plans import COLUMNS, ladder_revenue
from benchmarks.market_fit import option
from benchmarks.nem_month import load_month

CAPACITY_MWH = 100.0
LOOK_AHEADS = (5, 15, 30, 60, 120, 240, 480, 900)  # minutes
PERFECT = "perfect"
ROWS = (PERFECT, *COLUMNS)
# Hours of storage -> shares of perfect foresight in the study, for LOOK_AHEADS. It has no bids.
STUDY: dict[int, dict[str, tuple[float, ...]]] = {
    4: {
        PERFECT: (0.073, 0.545, 0.671, 0.767, 0.866, 0.958, 0.996, 0.999),
        COLUMNS[0]: (0.073, 0.321, 0.440, 0.544, 0.664, 0.845, 0.888, 0.891),
        COLUMNS[1]: (0.079, 0.239, 0.345, 0.446, 0.583, 0.767, 0.802, 0.802),
    },
    2: {
        PERFECT: (0.059, 0.592, 0.734, 0.843, 0.953, 0.994, 0.998, 0.998),
        COLUMNS[0]: (0.059, 0.335, 0.468, 0.585, 0.715, 0.814, 0.818, 0.819),
        COLUMNS[1]: (0.063, 0.242, 0.362, 0.484, 0.612, 0.678, 0.683, 0.681),
    },
}
Shares = Mapping[str, Sequence[float]]


def storage(hours: int) -> Battery:
    """Return the study's battery with some hours of storage."""
    battery: Battery = option(
        "battery", "default", capacity_mwh=CAPACITY_MWH, power_mw=CAPACITY_MWH / hours, wear_per_mwh=0.0
    )
    return battery


def stretch(series: MarketSeries, days: int | None, place: float) -> MarketSeries:
    """Return some days of a series, all without a number; a place of 0 takes the first and 1 the last ones."""
    rows = len(series) if days is None else days * series.intervals_per_day
    first = round(place * (series.days - rows / series.intervals_per_day)) * series.intervals_per_day
    return series.rows(first, first + rows)


def ladder(
    markets: Sequence[MarketSeries], hours: int, minutes: Sequence[int], end_price: float, with_perfect: bool
) -> dict[str, list[float]]:
    """Return the revenue of all markets together as shares of perfect foresight, by row of the table."""
    battery, rows = storage(hours), ROWS[not with_perfect :]
    best = sum(plan(series.price, battery, series.interval_h).profit for series in markets)
    shares: dict[str, list[float]] = {row: [] for row in rows}
    for ahead in minutes:
        revenue = np.zeros(1 + len(COLUMNS))
        for series in markets:
            look = max(round(ahead / 60 / series.interval_h), 1)
            if with_perfect:
                revenue[0] += ladder_revenue(series, look, battery, end_price, perfect=True)[0]
            revenue[1:] += ladder_revenue(series, look, battery, end_price)
        for row, amount in zip(rows, revenue[not with_perfect :], strict=True):
            shares[row].append(float(amount / best))
    return shares


def table(hours: int, minutes: Sequence[int], shares: Shares) -> list[str]:
    """Return the lines of a table: shares of perfect foresight, shares of perfect forecasts, and the study's."""
    lines = [f"|{hours}-hour battery, minutes ahead|" + "|".join(map(str, minutes)) + "|", "|---" * (len(minutes) + 1)]
    lines[1] += "|"
    known = {ahead: place for place, ahead in enumerate(LOOK_AHEADS)}
    study = {
        row: [values[known[ahead]] if ahead in known else np.nan for ahead in minutes]
        for row, values in STUDY.get(hours, {}).items()
    }
    for name, rows in (("", shares), ("study, ", study)):
        for row, values in rows.items():
            lines.append(line(f"{name}{row}", values))
        for row, values in rows.items():
            if row != PERFECT and PERFECT in rows:
                ratios = [value / best for value, best in zip(values, rows[PERFECT], strict=True)]
                lines.append(line(f"{name}{row} / perfect", ratios))
    return lines


def line(name: str, values: Sequence[float]) -> str:
    """Return a line of a table."""
    return f"|{name}|" + "|".join("-" if np.isnan(value) else f"{value:.3f}" for value in values) + "|"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the ladder of a market."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", help="options of the synthetic market, such as market.years=2")
    parser.add_argument("--seeds", type=int, nargs="+", help="market seeds whose revenue is added up")
    parser.add_argument(
        "--days", type=int, help="of each market: the first days of the first one, the last of the last"
    )
    parser.add_argument("--hours", type=int, nargs="+", default=[4, 2], help="hours of storage")
    parser.add_argument("--look-aheads", type=int, nargs="+", default=list(LOOK_AHEADS), help="minutes")
    parser.add_argument("--end-price", type=float, default=0.0, help="value of a MWh left at the end of a plan")
    parser.add_argument("--no-perfect", action="store_true", help="leave out perfect forecasts, the longest part")
    parser.add_argument("--nem", type=Path, help="folder of AEMO's tables, instead of the synthetic market")
    parser.add_argument("--region", default="NSW1", help="region of AEMO's tables")
    parser.add_argument("--json", type=Path, help="file to write the shares to, for benchmarks/forecast_pictures.py")
    given = parser.parse_args(arguments)
    if given.nem:
        markets = [load_month(given.nem, given.region)]
    else:
        changes = OmegaConf.to_container(OmegaConf.from_dotlist(given.overrides))
        assert isinstance(changes, dict)
        changed = {"vintages": True} | changes.get("market", {})
        seeds = given.seeds or [changed.get("seed", 0)]
        markets = [option("market", "synthetic", **(changed | {"seed": seed})).load() for seed in seeds]
        markets = [stretch(series, given.days, place / max(len(seeds) - 1, 1)) for place, series in enumerate(markets)]
    names = ", ".join(series.name for series in markets)
    print(f"{names}: revenue as a share of perfect foresight; {given.end_price:g} per MWh left at the end of a plan\n")
    stored = {}
    for hours in given.hours:
        stored[hours] = shares = ladder(markets, hours, given.look_aheads, given.end_price, not given.no_perfect)
        print("\n".join(table(hours, given.look_aheads, shares)) + "\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"minutes": given.look_aheads, "hours": stored}))


if __name__ == "__main__":
    main()
