"""Checks of price files: operators' files are recognised, others guessed, and faults and short histories named."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from battery_lab.config.compose import compose
from battery_lab.config.data_options import data_group, data_options
from battery_lab.envs.battery.price_data_check import PriceDataCheck, check_prices
from tests.compositions import part
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.small_batteries_and_series import wavy_prices

PAGES = sorted((Path(__file__).parents[3] / "docs" / "how-to").glob("read-*.md"))
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```csv\n(?P<text>.*?)```", re.DOTALL)
COMMAND = re.compile(r"```sh\n(battery-lab market=.*?)\n```")
START = datetime(2024, 1, 1, tzinfo=UTC)


@cache
def setup() -> tuple[Any, Any]:
    """Return the default environment, and the options that read files without their caches."""
    config = compose([])
    options = data_options(config, data_group(config)[0])
    uncached = {
        name: (kind, {**values, "cache": None} if "cache" in values else values)
        for name, (kind, values) in options.items()
    }
    return part(config, "env"), uncached


def check(path: Path | str, chosen: str | None = None, **given: Any) -> PriceDataCheck:
    env, options = setup()
    return check_prices(env, str(path), options, chosen, given)


def table(path: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def stamps(count: int, form: str, zone: str = "UTC", start: str = "2024-03-25", freq: str = "h") -> list[str]:
    return list(pd.date_range(start, periods=count, freq=freq, tz=zone).strftime(form))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_of_an_operator_are_recognised_and_read_as_its_page_says(page, tmp_path, monkeypatch):
    text = page.read_text()
    ((name, rows),) = FILE.findall(text)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(rows)
    monkeypatch.chdir(tmp_path)
    command = dict(word.split("=", 1) for word in shlex.split(COMMAND.search(text)[1])[1:])
    option, path = command.pop("market"), command.pop("market.path")
    expected = files.read(option, path, **{key.removeprefix("market."): value for key, value in command.items()})
    found = check(str(Path(name).parent))
    assert found.facts()["market"] == option
    assert found.source.market().load().digest == found.series.digest
    assert np.array_equal(np.unique(found.series.start), np.unique(expected.start))
    assert found.facts()["reading"]["product"] in ("day-ahead", "real-time")


def test_a_column_is_missing_for_the_operator_so_the_file_is_a_table(tmp_path):
    rows = files.aemo_rows(START, wavy_prices(2).tolist())
    lines = [line.rpartition(",")[0] for line in [files.AEMO_HEADER, *rows]]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = check(tmp_path / "a.csv")
    facts = found.facts()
    assert (facts["market"], facts["options"]["timestamp"], facts["options"]["price"]) == (
        "table",
        "SETTLEMENTDATE",
        "RRP",
    )
    assert "The files look close to aemo, but without PERIODTYPE" in facts["warnings"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M"),
        ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M"),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S"),
        ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p"),
        ("%Y%m%d%H%M", "%Y%m%d%H%M"),
    ],
)
@pytest.mark.parametrize("start", ["2024-01-01", "2024-03-01"])
def test_the_form_of_stamps_is_found(tmp_path, form, expected, start):
    # The first days of a month can be read in both orders: only the steps tell them apart.
    file = table(tmp_path / "a.csv", Date=stamps(24 * 10, form, start=start), price=wavy_prices(10)[::12])
    found = check(file)
    assert found.source.values.get("timestamp_format") == expected
    assert str(found.series.start[0]) == f"{start}T00:00:00"
    assert not found.series.gap.any()


@pytest.mark.parametrize(
    ("zone", "others"),
    [
        ("Europe/Berlin", "Europe/Paris"),
        ("Europe/London", None),
        ("America/New_York", "America/Chicago"),
        ("Australia/Sydney", "Australia/Melbourne"),
    ],
)
def test_the_clock_is_found_by_its_changes(tmp_path, zone, others):
    file = table(
        tmp_path / "a.csv", time=stamps(8784, "%Y-%m-%d %H:%M", zone, "2024-01-01"), price=np.arange(8784) % 24
    )
    found = check(file)
    assert found.source.values["time_zone"] == zone
    assert found.series.local_start[0] == pd.Timestamp("2024-01-01", tz=zone)
    assert not found.series.gap.any()
    why = found.source.assumed.get("time_zone", "")
    assert (others in why) if others else not why


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Chicago", "Etc/GMT-10"])
def test_the_clock_is_found_by_offsets(tmp_path, zone):
    times = pd.date_range("2024-01-01", periods=8784, freq="h", tz="UTC").tz_convert(zone)
    file = table(tmp_path / "a.csv", time=[time.isoformat() for time in times], price=np.arange(8784) % 24)
    found = check(file)
    assert found.source.values["time_zone"] == zone
    assert "time_zone" not in found.source.assumed


@pytest.mark.parametrize(
    ("columns", "price", "currency", "product"),
    [
        (("price_eur", "load"), "price_eur", "EUR", ""),
        (("load", "Day-ahead price [£/MWh]"), "Day-ahead price [£/MWh]", "GBP", "day-ahead"),
        (("total_lmp_rt", "congestion_price_rt"), "total_lmp_rt", "XXX", "real-time"),
        (("LMP ($/MWh)", "price_forecast"), "LMP ($/MWh)", "USD", ""),
    ],
)
def test_price_and_currency_are_found_by_their_names(tmp_path, columns, price, currency, product):
    values = {name: wavy_prices(5)[::12] + i for i, name in enumerate(columns)}
    found = check(table(tmp_path / "a.csv", utc_time=stamps(120, "%Y-%m-%d %H:%M"), **values)).facts()
    assert (found["options"].get("price"), found["options"]["currency"]) == (price, currency)
    assert found["reading"]["product"] == product
    assert found["unread_columns"] == [name for name in columns if name != price]
    assert ("currency" in found["assumed"]) == (currency == "XXX")


def test_columns_of_the_users_choice_are_taken(tmp_path):
    file = table(tmp_path / "a.csv", utc=stamps(120, "%Y-%m-%d %H:%M"), load=wavy_prices(5)[::12], price=1.0)
    found = check(file, None, price="load", currency="SEK", stamps="end")
    assert (found.series.currency, found.series.price[0]) == ("SEK", wavy_prices(5)[0])
    assert set(found.facts()["assumed"]) == {"time_zone"}


def test_a_parquet_table_is_guessed_as_well(tmp_path):
    times = pd.date_range("2024-01-01", periods=240, freq="15min", tz="America/New_York")
    pd.DataFrame({"interval_start": times, "lmp": np.arange(240.0)}).to_parquet(tmp_path / "a.parquet")
    found = check(tmp_path / "a.parquet")
    assert (found.source.values["timestamp"], found.source.values["price"]) == ("interval_start", "lmp")
    assert len(found.series) == 240


def test_all_names_of_a_selector_are_listed_and_the_usual_one_is_proposed(tmp_path):
    zones = ["WEST", "N.Y.C.", *(f"ZONE {i}" for i in range(20))]
    rows = [row for zone in zones for row in files.nyiso_rows(START, [1.0, 2.0, 3.0], zone=zone)]
    found = check(files.write(tmp_path / "a.csv", files.NYISO_HEADER, rows))
    assert found.source.values["zone"] == "N.Y.C."
    assert found.source.choices["zone"] == sorted(zones)
    assert "N.Y.C., of 22: N.Y.C., WEST, ZONE 0, " in found.text() and " and 10 more (market.zone=...)" in found.text()
    chosen = check(tmp_path / "a.csv", zone="WEST")
    assert (chosen.series.name, chosen.source.choices) == ("WEST", {})


def test_remedies_are_in_the_command_and_among_the_guesses(tmp_path):
    rows = files.nyiso_rows(START, [float(i) for i in range(288)])
    off = rows[100].replace(':00"', ':18"')
    files.write(tmp_path / "a.csv", files.NYISO_HEADER, [*rows[:101], off, *rows[101:200], *rows[203:]])
    found = check(tmp_path / "a.csv")
    assert {name: found.source.values[name] for name in ("off_grid", "gaps")} == {
        "off_grid": "drop",
        "gaps": "fill_or_split",
    }
    assumed = found.facts()["assumed"]
    assert "is not on a whole interval (1 such row" in assumed["off_grid"]["why"]
    assert "a gap of 3 intervals" in assumed["gaps"]["why"] and assumed["gaps"]["value"] == "fill_or_split"
    assert "market.off_grid=drop: without it: " in found.text()
    assert found.facts()["quality"]["gaps"] == {
        "count": 1,
        "longest_hours": 0.25,
        "longest": [{"from": "2024-01-01T11:40:00-05:00", "hours": 0.25}],
    }


def test_impossible_prices_are_never_allowed_by_themselves(tmp_path):
    prices = wavy_prices(3)
    prices[500] = 1e9
    found = check(files.write(tmp_path / "a.csv", files.AEMO_HEADER, files.aemo_rows(START, prices.tolist())))
    assert found.series is None
    assert "market.price_range" in found.problem and "price_range" not in found.source.values
    assert found.facts()["rows"]["highest_price"] == 1e9


def test_repeats_are_counted_with_and_without_another_price(tmp_path):
    rows = files.aemo_rows(START, wavy_prices(1).tolist())
    other = rows[3].replace(",TRADE", "1,TRADE").replace(rows[3].split(",")[3], "7777")
    found = check(files.write(tmp_path / "a.csv", files.AEMO_HEADER, [*rows, rows[10], other]))
    counted = found.facts()["rows"]
    if found.series is None:
        assert (counted["repeated_intervals"], counted["repeats_with_another_price"]) == (2, 1)
        assert "Rows\n  rows                    290\n" in found.text()


def test_an_auction_that_is_chosen_by_itself_is_a_guess(tmp_path):
    both = [reports.website_rows(START, [price] * 200) for price in (10.0, 20.0)]
    rows = [row.replace("Without Sequence", f"Sequence {i}") for i, rows in enumerate(both, 1) for row in rows]
    found = check(files.write(tmp_path / "x.csv", reports.WEBSITE, rows))
    assert found.source.values["sequence"] == 1
    assert "has prices of several auctions, Sequence 1 and 2" in found.facts()["assumed"]["sequence"]["why"]


def test_days_without_prices_count_for_no_period(tmp_path):
    prices = wavy_prices(31).tolist()
    rows = files.aemo_rows(START, prices)
    found = check(files.write(tmp_path / "a.csv", files.AEMO_HEADER, [*rows[: 5 * 288], rows[-1]]))
    assert found.problem.startswith("only 5.0 of its 31.0 days have prices, and 522 are needed: ")
    assert "31.0 days, of which 5.0 have prices, " in found.text()


def test_the_picture_is_a_png_also_with_gaps_and_awkward_names(tmp_path):
    rows = files.aemo_rows(START, wavy_prices(4).tolist(), region="A $x_1$\tB")
    files.write(tmp_path / "a.csv", files.AEMO_HEADER, [*rows[:300], *rows[700:]])
    found = check(tmp_path / "a.csv")
    assert found.draw(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert found.name == "a_A--x-1--B"


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DataError, match=r"a\.csv cannot be read: it is not text"):
        check(tmp_path / "a.csv")


@pytest.mark.parametrize("column", ["PREDISPATCH_RUN_DATETIME", "issued at", "Run Time"])
def test_forecasts_are_not_taken_for_prices(tmp_path, column):
    columns = {"time": stamps(240, "%Y-%m-%d %H:%M"), column: stamps(240, "%Y-%m-%d %H:%M"), "price": 1.0}
    file = table(tmp_path / "a.csv", **columns)
    with pytest.raises(DataError, match=f"has a column {column}, so it holds forecasts, and no settled prices"):
        check(file)
    assert len(check(file, "table", timestamp="time").series) == 240
