"""battery-lab bids: print a policy's bid and offer for the coming dispatch interval.

    battery-lab bids run=outputs/runs/<run> soc=0.5
    battery-lab bids run=outputs/runs/<run> soc=0.5 at=2025-06-30T17:05 market.path=prices/ to=bid.csv

    soc=    state of charge at the start of the interval, a fraction of capacity
    at=     start of the interval, on the market's local clock or with a UTC offset; default: the interval after the
            last price
    floor=  lowest price of the bands, per MWh; default: market.price_floor
    cap=    highest price of the bands, per MWh; default: market.price_cap
    to=     a CSV file for the price bands, in the columns of an AEMO bid

    cycles_today=      cycles used so far on the local day of the interval, if battery.max_cycles_per_day caps them
    cycles_this_year=  cycles used since year_start, if battery.max_cycles_per_year caps them; default of both: none
    year_start=        local day on which the count of the year began; default: 1 January

Prints bid and offer over the state of charge, the same as ten price bands with MW for a bidirectional unit, and what a
stored MWh is worth. Only prices before the interval are used. The run needs env.actions=bids or algo=bid_curves.
Values of market, battery and env can be overridden, as in battery-lab evaluate.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.subcommand_arguments import folder, key_values, refuse_misspelt, refuse_retraining, run_folder
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, require
from battery_lab.config.environment_class_attributes import evaluation_overrides
from battery_lab.config.quiet_imports import quiet_imports
from battery_lab.config.stored_trial import trial

if TYPE_CHECKING:
    from battery_lab.envs.bidding_interface import BidSheet

EXAMPLES = {"soc": "0.5", "floor": "-1000", "cap": "20300", "cycles_today": "0.4", "cycles_this_year": "120"}
OWN = ("run", "soc", "at", "floor", "cap", "to", "cycles_today", "cycles_this_year", "year_start")


def main(arguments: list[str]) -> BidSheet:
    """Print the bid sheet of a run's policy and return it.

    Raises:
        LabError: there is no such run, it makes no bids, an argument is wrong, or prices are missing.
    """
    chosen = key_values(arguments)
    refuse_misspelt("bids", chosen, OWN)
    run = run_folder(chosen)
    if not chosen.get("soc"):
        raise ConfigError("soc=<fraction> must give the state of charge at the start of the interval, such as soc=0.5")
    soc = _number("soc", chosen["soc"])
    optional = ("floor", "cap", "cycles_today", "cycles_this_year")
    floor, cap, today, this_year = (_number(key, chosen[key]) if key in chosen else None for key in optional)
    to = _file(chosen["to"]) if "to" in chosen else None
    overrides = {key: value for key, value in chosen.items() if key not in OWN}
    config = trial(run, [f"{key}={value}" for key, value in overrides.items()])
    refuse_retraining("bids", overrides, (*OWN, *evaluation_overrides(config), "outputs"))
    experiment = build_experiment(config)
    with quiet_imports():
        from battery_lab.experiment.policy_bids import policy_bids

    sheet = policy_bids(
        experiment,
        run,
        at=chosen.get("at"),
        soc=soc,
        floor_per_mwh=floor,
        cap_per_mwh=cap,
        cycles_today=today,
        cycles_this_year=this_year,
        year_start=chosen.get("year_start"),
    )
    if to is not None:
        atomic_write(to, sheet.bands.to_csv(index=False))
    _print(sheet, soc)
    return sheet


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    require(math.isfinite(number), key, f"must be a number, such as {key}={EXAMPLES[key]}", text)
    return number


def _file(text: str) -> Path:
    """Return the file for the bands, before anything takes time."""
    require(bool(text), "to", "must name a file, such as bid.csv", text)
    file = folder(text)
    require(not file.is_dir(), "to", "must name a file, such as bid.csv, and not a folder", text)
    require(file.parent.is_dir(), "to", "must name a file in a folder that exists: create it, or choose another", text)
    return file


def _print(sheet: BidSheet, soc: float) -> None:
    console = Console(highlight=False, markup=False)
    heading = f"Bid and offer over the state of charge, {sheet.unit}:"
    console.print(sheet.title, sheet.known, "", heading, sep="\n", soft_wrap=True)
    console.print(_curve(sheet, soc))
    console.print(f"Price bands, {sheet.unit} and MW:", soft_wrap=True)
    console.print(_bands(sheet))
    console.print(sheet.limits, sheet.worth, sep="\n", soft_wrap=True)


def _curve(sheet: BidSheet, soc: float) -> Table:
    """Return the curve as a table in which the requested state of charge is marked."""
    table = _table("soc", "bid", "offer")
    table.add_column()
    for state, bid, offer in sheet.curve.to_numpy().tolist():
        mark = "requested" if state == soc else ""
        table.add_row(f"{state:.3f}", f"{bid:,.2f}", f"{offer:,.2f}", mark)
    return table


def _bands(sheet: BidSheet) -> Table:
    """Return the price bands as a table with one row per band."""
    sides = [(str(row["DIRECTION"]), row) for _, row in sheet.bands.iterrows()]
    headings = [f"{side}\n{name}" for side, _ in sides for name in ("PRICEBAND", "BANDAVAIL")]
    table = _table("band", *headings)
    for band in range(1, sum(name.startswith("PRICEBAND") for name in sheet.bands) + 1):
        cells = [(f"{row[f'PRICEBAND{band}']:,.2f}", f"{row[f'BANDAVAIL{band}']:g}") for _, row in sides]
        table.add_row(str(band), *(cell for pair in cells for cell in pair))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    return table
