"""Plausible prices: what no market settles is refused with its row, an implausible unit is noted, real spikes pass."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError, DataError
from tests.market import operator_files as files

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}
WINTER = datetime(2024, 1, 1, tzinfo=UTC)
ORDINARY = [float(price) for price in range(20, 80)]


def table(folder: Path, prices: list[Any]) -> Path:
    stamps = np.datetime64("2024-01-01") + np.timedelta64(1, "h") * np.arange(len(prices))
    return files.write(folder / "x.csv", "timestamp,price", [f"{s},{p}" for s, p in zip(stamps, prices, strict=True)])


@pytest.mark.parametrize("price", [1e9, -1e9, 999_999, 60_000, 1_234_564, -1_234_564.25])
def test_a_price_that_no_market_settles_is_refused_with_its_row_and_the_ways_on(tmp_path: Path, price: float) -> None:
    file = table(tmp_path, [*ORDINARY[:5], price, *ORDINARY])
    with pytest.raises(DataError, match=r"x.csv, row 7: the price is .*beyond what is plausible") as caught:
        files.read("table", file, **BERLIN)
    assert "market.gaps=fill or split" in str(caught.value)
    allowed = str(caught.value).partition("market.price_range=[")[2].partition("]")[0]
    series = files.read("table", file, price_range=[float(end) for end in allowed.split(",")], **BERLIN)
    assert series.price[5] == price


@pytest.mark.parametrize("cell", ["1e300", "1_2", "-1_000.5"])
def test_a_cell_that_is_no_price_is_refused_whatever_is_allowed(tmp_path: Path, cell: str) -> None:
    file = table(tmp_path, [*ORDINARY[:5], cell, *ORDINARY])
    with pytest.raises(DataError, match=f"x.csv, row 7: price is '{cell}'"):
        files.read("table", file, price_range=[-1e12, 1e12], **BERLIN)


@pytest.mark.parametrize("prices", [[17_500.0], [-1_000.0], [0.0], [5.0]])
def test_real_spikes_pass(tmp_path: Path, prices: list[float]) -> None:
    assert files.read("table", table(tmp_path, [*ORDINARY, *prices]), **BERLIN).notes == ()


def test_a_currency_of_small_units_has_a_wider_range(tmp_path: Path) -> None:
    file = table(tmp_path, [1_000 * price for price in ORDINARY] + [900_000.0])
    assert files.read("table", file, time_zone="Asia/Tokyo", currency="JPY").price[-1] == 900_000


def test_a_range_is_a_rule_of_its_own(tmp_path: Path) -> None:
    file = table(tmp_path, ORDINARY)
    with pytest.raises(DataError, match=r"row 42: the price is 60 .*beyond market.price_range, 0 to 59 \(20 .*rows\)"):
        files.read("table", file, price_range=[0.0, 59.0], **BERLIN)
    with pytest.raises(Exception, match="market.price_range must be the lowest and the highest price") as caught:
        files.market("table", file, price_range=[5.0, 5.0], **BERLIN)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)


def test_a_price_just_beyond_a_range_is_shown_in_full(tmp_path: Path) -> None:
    file = table(tmp_path, [*ORDINARY, 15_000.01])
    with pytest.raises(DataError, match=r"the price is 15,000\.01 at .*, 0 to 15,000"):
        files.read("table", file, price_range=[0.0, 15_000.0], **BERLIN)


@pytest.mark.parametrize("value", [[1.0], [1.0, 2.0, 3.0], 5.0, ["a", "b"]])
def test_a_range_of_other_than_two_numbers_is_an_option_error(value: Any) -> None:
    with pytest.raises(Exception, match="market.price_range must be exactly two numbers, the lowest and the highest"):
        files.market("table", "x.csv", price_range=value, **BERLIN)


@pytest.mark.parametrize(
    ("day", "price", "allowed"),
    [
        ((2022, 6, 29), 15_100.0, True),
        ((2022, 6, 29), 15_400.0, False),  # the cap rises on 1 July
        ((2022, 7, 2), 15_400.0, True),
        ((2025, 7, 2), 20_300.0, True),
        ((2025, 7, 2), 20_301.0, False),
        ((2030, 1, 1), 25_000.0, True),  # no cap is known yet
        ((2024, 1, 1), -1_000.0, True),
        ((2024, 1, 1), -1_000.01, True),  # rounding
        ((2022, 6, 29), 15_100.01, True),
        ((2024, 1, 1), -1_000.02, False),
        ((2024, 1, 1), -1_000.5, False),
    ],
)
def test_prices_of_australia_are_checked_against_the_cap_of_their_year(
    tmp_path: Path, day: tuple[int, int, int], price: float, allowed: bool
) -> None:
    rows = files.aemo_rows(datetime(*day, tzinfo=UTC), [80.0, price, 80.0])
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, rows)
    if allowed:
        assert files.read("aemo", file).price[1] == price
    else:
        with pytest.raises(DataError, match="x.csv, row 3: the price is .* beyond what this market can settle"):
            files.read("aemo", file)
        assert files.read("aemo", file, price_range=[-2_000.0, 99_999.0]).price[1] == price


def test_local_prices_may_be_beyond_the_caps_of_offers_and_not_everywhere(tmp_path: Path) -> None:
    for price in (9_500.0, 1e6):
        rows = files.ercot_rows(datetime(2024, 2, 1, tzinfo=UTC), [30.0, price, 30.0])
        ercot = files.write(tmp_path / "e.csv", files.ERCOT_HEADER, rows)
        nyiso = files.write(tmp_path / "n.csv", files.NYISO_HEADER, files.nyiso_rows(WINTER, [30.0, price, 30.0]))
        header = files.CAISO_HEADER.format(price="MW")
        caiso = files.write(tmp_path / "c.csv", header, files.caiso_rows(WINTER, [30.0, price, 30.0]))
        for option, file in {"ercot": ercot, "nyiso": nyiso, "caiso": caiso}.items():
            if price < 1e4:
                assert files.read(option, file).price[1] == price
            else:
                with pytest.raises(DataError, match="beyond what this market can settle, -20,000 to 20,000"):
                    files.read(option, file)


@pytest.mark.parametrize(("factor", "words"), [(1e-3, "prices per kWh"), (100.0, "check their unit")])
def test_an_implausible_unit_is_noted_unless_the_range_confirms_it(tmp_path: Path, factor: float, words: str) -> None:
    file = table(tmp_path, [factor * price for price in ORDINARY])
    (note,) = files.read("table", file, **BERLIN).notes
    assert words in note and "market.price_range" in note
    assert files.read("table", file, price_range=[0.0, 1e5], **BERLIN).notes == ()


def test_the_notes_are_kept_in_the_cache(tmp_path: Path) -> None:
    file = table(tmp_path, [price / 1_000 for price in ORDINARY])
    first, second = (files.read("table", file, cache=str(tmp_path / "cache"), **BERLIN) for _ in range(2))
    assert first.notes == second.notes != ()
