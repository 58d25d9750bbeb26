"""`battery-lab bids`: the bid and offer of a stored policy for the coming interval, on paper."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.cli.typed_commands import like
from tests.compositions import write_market
from tests.experiment.untrained_runs import untrained_run


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run whose policy bids, and its price file, which ends at 10:00 on 25 January, local time."""
    home = tmp_path_factory.mktemp("bids")
    untrained_run(home / "run", "bid_curves", "env.actions=bids", "observation=minimal", "reward=degradation")
    return SimpleNamespace(run=home / "run", prices=home / "data_run" / "prices_0.csv")


@pytest.fixture
def bids(lab, stored):
    def run(*arguments: str):
        return lab("bids", f"run={stored.run}", *arguments)

    return run


def without_borders(text: str) -> list[str]:
    return [
        re.sub(r" +", " ", line).strip()
        for line in text.splitlines()
        if line.strip(" \N{BOX DRAWINGS LIGHT HORIZONTAL}")
    ]


def test_bids_prints_interval_curve_bands_and_worth(bids):
    output = bids("soc=0.45")
    assert (output.status, output.err) == (0, "")
    lines = without_borders(output.out)
    assert lines[0] == "prices_0, 2024-01-25 10:00 to 10:05 (UTC+10:00), soc 0.45 (18 of 40 MWh)"
    assert lines[1].startswith("The last known price is ")
    assert lines[2:4] == ["Bid and offer over the state of charge, EUR/MWh:", "soc bid offer"]
    assert [line.split()[0] for line in lines[4:8]] == ["0.100", "0.450", "0.500", "0.900"]
    assert [line.endswith("requested") for line in lines[4:8]] == [False, True, False, False]
    assert lines[8:11] == [
        "Price bands, EUR/MWh and MW:",
        "GEN GEN LOAD LOAD",
        "band PRICEBAND BANDAVAIL PRICEBAND BANDAVAIL",
    ]
    rows = [line.split() for line in lines[11:21]]
    assert [row[0] for row in rows] == [str(band) for band in range(1, 11)]
    prices = [[float(row[column].replace(",", "")) for row in rows] for column in (1, 3)]
    assert min(map(min, prices)) == prices[0][0] == prices[1][0] and prices[0][-1] == prices[1][-1]
    assert [sum(float(row[column]) for row in rows) for column in (2, 4)] == [10, 10]
    unknown = "the range of the bids, as market.price_{} is not known"
    low, high = (f"{prices[0][place]:,.2f} ({unknown.format(name)})" for place, name in ((0, "floor"), (-1, "cap")))
    assert lines[21] == f"The bands span {low} to {high} EUR/MWh."
    assert re.fullmatch(r"A stored MWh is worth .* EUR to the policy: .*, after losses, wear and grid fee\.", lines[22])


def test_prices_from_the_interval_on_do_not_change_the_output(bids, stored, tmp_path):
    frame = pd.read_csv(stored.prices)
    known = frame["timestamp"] < "2024-01-23T07:00:00Z"
    frame["price"] = frame["price"].where(known, 9000.0 - frame["price"])
    frame.to_csv(tmp_path / "changed.csv", index=False)
    choices = ("soc=0.5", "at=2024-01-23T17:00", "market.name=A")
    original, changed = bids(*choices), bids(*choices, f"market.path={tmp_path / 'changed.csv'}")
    assert original.status == 0
    assert changed.out == original.out
    later = bids("soc=0.5", "at=2024-01-23T17:05", "market.name=A", f"market.path={tmp_path / 'changed.csv'}")
    assert later.out.splitlines()[1] != bids("soc=0.5", "at=2024-01-23T17:05", "market.name=A").out.splitlines()[1]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (("floor=-500", "cap=4000"), ("as requested", "as requested")),
        (("market.price_floor=-500", "market.price_cap=4000"), ("of the market", "of the market")),
        (("market.price_floor=-150", "floor=-500", "market.price_cap=4000"), ("as requested", "of the market")),
    ],
)
def test_floor_and_cap_are_the_first_and_the_last_band(bids, choices, words):
    lines = without_borders(bids("soc=0.5", *choices).out)
    assert [line.split()[1] for line in lines if re.match(r"1 |10 ", line)] == ["-500.00", "4,000.00"]
    assert f"The bands span -500.00 ({words[0]}) to 4,000.00 ({words[1]}) EUR/MWh." in lines


def test_bands_go_to_a_csv_file_in_the_columns_of_an_aemo_bid(bids, tmp_path):
    assert bids("soc=0.1", "to=bid.csv", "at=2024-01-23T17:00+10:00").status == 0
    table = pd.read_csv(tmp_path / "bid.csv")
    numbered = [f"{name}{band}" for name in ("PRICEBAND", "BANDAVAIL") for band in range(1, 11)]
    assert list(table) == ["BIDTYPE", "DIRECTION", "INTERVAL_DATETIME", "MAXAVAIL", *numbered]
    assert table["DIRECTION"].tolist() == ["GEN", "LOAD"]
    assert table["INTERVAL_DATETIME"].tolist() == ["2024/01/23 17:05:00"] * 2
    assert table["MAXAVAIL"].tolist() == [0, 10]


def test_used_cycles_leave_less_to_sell(bids, tmp_path):
    caps = ("battery.max_cycles_per_day=1", "battery.max_cycles_per_year=300")
    output = bids("soc=0.5", *caps, "cycles_today=0.99", "cycles_this_year=20", "year_start=2024-01-01", "to=bid.csv")
    assert output.status == 0, output.err
    assert pd.read_csv(tmp_path / "bid.csv")["MAXAVAIL"].tolist() == [pytest.approx(4.8, abs=0.0011), 10]
    assert "at most 1 cycle per day: 0.99 used today, 0.4 MWh left." in output.out
    assert "at most 300 cycles per year: 20 used since 2024-01-01, 11,200 MWh left." in output.out
    assert "as if none of it were used yet" in bids("soc=0.5", *caps).out


def test_another_battery_and_market_can_be_chosen_as_in_evaluate(bids, tmp_path: Path):
    market = [choice for choice in write_market(tmp_path / "other", seed=5) if not choice.startswith("outputs=")]
    output = bids("soc=0.5", *market, "battery.power_mw=20", "battery.capacity_mwh=80")
    assert output.status == 0, output.err
    assert "soc 0.5 (40 of 80 MWh)" in output.out


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], "soc=<fraction> must give the state of charge at the start of the interval, such as soc=0.5"),
        (["socc=0.5"], "socc is not an argument of battery-lab bids; did you mean soc?"),
        (["soc=half"], "soc must be a number, such as soc=0.5, got 'half'"),
        (["soc=nan"], "soc must be a number, such as soc=0.5, got 'nan'"),
        (
            ["soc=50"],
            "soc must be a fraction of capacity from battery.soc_min = 0.1 to battery.soc_max = 0.9, got 50.0",
        ),
        (["soc=0.5", "at=tomorrow"], "at must be a time such as .*, got 'tomorrow'"),
        (
            ["soc=0.5", "at=2024-01-26"],
            "at must be from .* to .*, got 2024-01-26: choose another time, or add files .*",
        ),
        (["soc=0.5", "floor=-1000", "cap=-2000"], "cap must be a price at least 1 above floor = -1000, got -2000.0"),
        (["soc=50%"], "soc must be a number, such as soc=0.5, got '50%'"),
        (["soc=-1"], "soc must be a fraction of capacity from .*, got -1.0"),
        (["soc=0.5", "at=17:05"], "at must be a time such as .*, got '17:05'"),
        (["soc=0.5", "at=2024-01-23T17:02"], "at must be the start of a dispatch interval of 5 minutes, got .*"),
        (["soc=0.5", "floor=x"], "floor must be a number, such as floor=-1000, got 'x'"),
        (["soc=0.5", "to=missing/bid.csv"], "to must name a file in a folder that exists: .*, got 'missing/bid.csv'"),
        (["soc=0.5", "to=."], "to must name a file, such as bid.csv, and not a folder, got '.'"),
        (["soc=0.5", "to="], "to must name a file, such as bid.csv, got ''"),
        (
            ["soc=0.5", "algo.lr=1"],
            "algo.lr cannot change, as the policy is already trained: battery-lab bids takes run, soc, at, .*market.*",
        ),
        (["soc=0.5", "cycles_today=all"], "cycles_today must be a number, such as cycles_today=0.4, got 'all'"),
        (
            ["soc=0.5", "cycles_today=0.5"],
            "cycles_today=0.5 needs a cap on cycles, and battery.max_cycles_per_day is .*",
        ),
        (["soc=0.5", "cycle_today=0.5"], "cycle_today is not an argument of battery-lab bids; did you mean cycles_.*"),
        (["soc=0.5", "when=now"], "when is not an option.*"),
    ],
)
def test_an_error_ends_in_one_message(bids, choices, message):
    output = bids(*choices)
    assert (output.status, output.out) == (1, "")
    assert like(f"error: {message}\n", output.err), output.err


def test_bids_needs_a_run(lab, tmp_path):
    assert lab("bids", "soc=0.5").err.startswith("error: run=<folder> must name the folder of a run")
    assert lab("bids", "soc=0.5", f"run={tmp_path}").err.startswith(
        f"error: run={tmp_path} must name a run folder that"
    )
