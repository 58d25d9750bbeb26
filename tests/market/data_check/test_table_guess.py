"""Guesses of a table's columns and rows: forms of stamps, numbers, hours in a column, many nodes, spreadsheets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from battery_lab.market.data_check.table_guess import guess_table
from tests.market import operator_files as files
from tests.market.file_formats.xlsx_file import write_xlsx

HOURS = 24 * 40
TIMES = pd.date_range("2024-01-01", periods=HOURS, freq="h")
PRICE = np.round(50 + 30 * np.sin(np.arange(HOURS) / 24 * 2 * np.pi), 2)


def series_of(path, **given):
    """Return the series that the guessed options give, and the guess."""
    guess = guess_table([path], given)
    return files.read("table", path, **{**guess.values, **given}), guess


@pytest.mark.parametrize(
    "cells",
    [
        [f"{a:%d/%m/%Y %H:%M} - {a + pd.Timedelta('1h'):%d/%m/%Y %H:%M}" for a in TIMES],
        list(TIMES.astype("datetime64[s]").astype("int64").astype(str)),
        list((TIMES.astype("datetime64[s]").astype("int64") * 1000).astype(str)),
        [f"{time:%m/%d/%Y %I:%M %p}" for time in TIMES],
    ],
    ids=["ranges", "seconds", "milliseconds", "half days"],
)
def test_other_forms_of_stamps(tmp_path, cells):
    pd.DataFrame({"Time interval": cells, "price": PRICE}).to_csv(tmp_path / "a.csv", index=False)
    series, _ = series_of(tmp_path / "a.csv")
    assert np.array_equal(series.start, TIMES.to_numpy("datetime64[s]"))
    assert np.array_equal(series.price, PRICE)


@pytest.mark.parametrize("first", [0, 1])
def test_the_hour_in_a_column_of_its_own(tmp_path, first):
    frame = {"Datum": TIMES.strftime("%d.%m.%Y"), "Stunde": TIMES.hour + first, "Menge": 1, "Preis EUR/MWh": PRICE}
    text = pd.DataFrame(frame).to_csv(index=False, sep=";", decimal=",")
    (tmp_path / "a.csv").write_text(text, encoding="cp1252")
    series, guess = series_of(tmp_path / "a.csv")
    assert guess.values["timestamp"] == ["Datum", "Stunde"]
    assert guess.others == ["Menge"]
    assert series.start[0] == np.datetime64("2024-01-01T00:00:00")
    assert (len(series), series.currency) == (HOURS, "EUR")


def test_a_file_of_many_nodes_is_read_for_one_of_them(tmp_path):
    nodes = {"HUB, EAST": 1.0, "HUB WEST": 2.0}
    parts = [pd.DataFrame({"ts": TIMES, "pnode name": node, "lmp_usd": PRICE + add}) for node, add in nodes.items()]
    pd.concat(parts).to_csv(tmp_path / "long.csv", index=False)
    series, guess = series_of(tmp_path / "long.csv")
    assert guess.values["where"] == {"pnode name": "HUB, EAST"}
    assert "has 2 names: HUB, EAST, HUB WEST" in guess.assumed["where"]
    assert np.array_equal(series.price, np.round(PRICE + 1.0, 2))
    chosen, guess = series_of(tmp_path / "long.csv", where={"pnode name": "HUB WEST"})
    assert np.array_equal(chosen.price, np.round(PRICE + 2.0, 2)) and "where" not in guess.assumed


def test_a_spreadsheet(tmp_path):
    rows = [[f"{time:%Y-%m-%d %H:%M}", float(price)] for time, price in zip(TIMES, PRICE, strict=True)]
    write_xlsx(tmp_path / "a.xlsx", {"prices": [["Time", "Price (GBP/MWh)"], *rows]})
    guess = guess_table([tmp_path / "a.xlsx" / "prices"], {})
    assert (guess.values["timestamp"], guess.values["currency"]) == ("Time", "GBP")
    assert len(files.read("table", tmp_path / "a.xlsx", **guess.values)) == HOURS
