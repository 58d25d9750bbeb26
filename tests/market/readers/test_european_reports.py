"""ENTSO-E, Nord Pool and Elexon: clocks, auctions, currencies and settlement periods, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports

NIGHT = datetime(2025, 9, 30, 22, tzinfo=UTC)


def website(folder: Path, rows: list[str], name: str = "x.csv") -> Path:
    return files.write(folder / name, reports.WEBSITE, rows)


def test_hours_and_quarters_are_joined_as_market_resample_says(tmp_path: Path) -> None:
    hours = reports.website_rows(datetime(2025, 9, 30, 20, tzinfo=UTC), [10.0, 20.0])
    quarters = [
        row.replace("Without Sequence", "Sequence Sequence 1")
        for row in reports.website_rows(NIGHT, [30.0, 40.0, 50.0, 60.0], 15)
    ]
    file = website(tmp_path, hours + quarters)
    with pytest.raises(DataError, match=r"row 2: the interval at 2025-09-30 22:00:00 has 60 .*market\.resample=repeat"):
        files.read("entsoe", file)
    series = files.read("entsoe", file, resample="repeat")
    assert list(series.price) == [10] * 4 + [20] * 4 + [30, 40, 50, 60]
    assert (series.name, series.currency, series.time_zone) == ("DE-LU", "EUR", "Europe/Brussels")
    note = "2 intervals of 60 minutes were repeated in their parts of 15 minutes, up to 2025-09-30 23:00:00"
    assert series.notes == (f"x.csv: {note}",)
    mean = files.read("entsoe", file, resample="mean")
    assert (list(mean.price), mean.interval_h) == ([10, 20, 45], 1.0)


def test_hours_and_quarters_of_two_exports_are_joined_in_the_same_way(tmp_path: Path) -> None:
    website(tmp_path, reports.website_rows(datetime(2025, 9, 30, 12, tzinfo=UTC), [1.0] * 10), "a.csv")
    website(tmp_path, reports.website_rows(NIGHT, [2.0] * 8, 15), "b.csv")
    with pytest.raises(DataError, match="a.csv, row 2: the interval at .* has 60 minutes, 15 by market.interval_min"):
        files.read("entsoe", tmp_path, interval_minutes=15)
    series = files.read("entsoe", tmp_path, resample="repeat")
    assert list(series.price) == [1.0] * 40 + [2.0] * 8


def test_missing_quarters_among_quarters_are_a_gap_and_no_hours(tmp_path: Path) -> None:
    rows = reports.website_rows(NIGHT, [float(i) for i in range(80)], 15)
    website(tmp_path, rows[:20] + rows[20:60:4] + rows[60:])
    for resample in ("repeat", "mean"):
        with pytest.raises(DataError, match="30 of 80 intervals|missing at 2025-10-01 05:00:00"):
            files.read("entsoe", tmp_path, resample=resample, interval_minutes=None if resample == "repeat" else 60)
    series = files.read("entsoe", tmp_path, resample="repeat", gaps="split")
    assert (int(series.gap.sum()), len(series)) == (30, 80)


@pytest.mark.parametrize("option", ["entsoe", "nordpool", "miso", "ieso"])
def test_rows_without_their_first_cell_are_refused(tmp_path: Path, option: str) -> None:
    if option == "miso":
        reports.miso_files(tmp_path, datetime(2024, 3, 10, 5, tzinfo=UTC), [1.0] * 24)
        lines = (tmp_path / "20240310_da_expost_lmp.csv").read_text().splitlines()
    elif option == "entsoe":
        lines = [reports.WEBSITE, *reports.website_rows(NIGHT, [1.0, 2.0, 3.0])]
    else:
        lines = (reports.elspot_file if option == "nordpool" else reports.hoep_file)(NIGHT, [1.0, 2.0, 3.0])
    lines[-2] = lines[-2][lines[-2].index('",') + 1 if option == "entsoe" else lines[-2].index(",") :]
    file = reports.text(tmp_path / "20240310_da_expost_lmp.csv", [*lines, "", "," * lines[-1].count(",")])
    with pytest.raises(DataError, match=f"row {len(lines) - 1}: the row has no .*, which all others have"):
        files.read(option, file)


def test_two_auctions_for_one_interval_need_a_choice(tmp_path: Path) -> None:
    coupled = [row.replace("Without Sequence", "Sequence 1") for row in reports.website_rows(NIGHT, [1.0, 2.0])]
    other = [row.replace("Without Sequence", "Sequence 2") for row in reports.website_rows(NIGHT, [7.0] * 8, 15)]
    file = website(tmp_path, coupled + other)
    with pytest.raises(DataError, match=r"2025-10-01 00:00:00 has prices of several auctions, Sequence 1 and 2"):
        files.read("entsoe", file)
    assert list(files.read("entsoe", file, sequence=1).price) == [1, 2]
    assert list(files.read("entsoe", file, sequence=2).price) == [7] * 8


@pytest.mark.parametrize("missing", ['""', '"-"', '"n/e"'])
def test_the_skipped_hour_is_no_gap_and_a_dash_is_one(tmp_path: Path, missing: str) -> None:
    hours = ["00:00 - {d} 01:00", "01:00 - {d} 02:00", "02:00 - {d} 03:00", "03:00 - {d} 04:00", "04:00 - {d} 05:00"]
    prices = ['"1.0"', '"2.0"', '""', '"3.0"', missing]
    rows = [
        f'"27.03.2022 {hour.format(d="27.03.2022")}",{price},"EUR"' for hour, price in zip(hours, prices, strict=True)
    ]
    file = files.write(tmp_path / "x.csv", reports.OLD_WEBSITE, rows)
    with pytest.raises(
        DataError, match="row 6: price missing at 2022-03-27 04:00:00; the gap is 1 interval"
    ) as refused:
        files.read("entsoe", file)
    assert "time_zone" not in str(refused.value)
    series = files.read("entsoe", file, gaps="split")
    assert (list(series.price[:3]), list(series.gap)) == ([1, 2, 3], [False, False, False, True])
    assert (series.name, series.time_zone) == ("FI", "Europe/Helsinki")


def test_a_price_in_the_skipped_hour_is_refused(tmp_path: Path) -> None:
    rows = ['"30/03/2025 02:00:00 - 30/03/2025 03:00:00","BZN|FR","Without Sequence","9.0","",""']
    with pytest.raises(DataError, match="row 2: there is a price at 2025-03-30 02:00:00, which daylight saving skips"):
        files.read("entsoe", website(tmp_path, rows), interval_minutes=60)


def test_other_currencies_and_areas_are_refused(tmp_path: Path) -> None:
    rows = reports.website_rows(NIGHT, [1.0, 2.0])
    with pytest.raises(
        DataError, match=r"row 2: the price is in EUR, and market.currency is GBP. Set market.currency=EUR"
    ):
        files.read("entsoe", website(tmp_path, rows), currency="GBP")
    with pytest.raises(DataError, match=r"market.area=FR: no row .* has it, only DE-LU"):
        files.read("entsoe", website(tmp_path, rows), area="FR")
    with pytest.raises(DataError, match=r"row 4: a second area begins: DE-LU, FR"):
        files.read("entsoe", website(tmp_path, rows + reports.website_rows(NIGHT, [3.0, 4.0], area="BZN|FR")))


def test_exports_in_utc_are_read_as_such(tmp_path: Path) -> None:
    header = reports.WEBSITE.replace("MTU (CET/CEST)", "MTU (UTC)")
    rows = [
        f'"31/03/2024 {hour:02d}:00 - 31/03/2024 {hour + 1:02d}:00","BZN|FR","","{hour}","",""' for hour in range(4)
    ]
    series = files.read("entsoe", files.write(tmp_path / "x.csv", header, rows))
    assert (series.start[0], len(series)) == (np.datetime64("2024-03-31T00:00"), 4)
    with pytest.raises(DataError, match=r"the clock of 'MTU \(MSK\)' is none of UTC"):
        files.read("entsoe", files.write(tmp_path / "y.csv", header.replace("UTC", "MSK"), rows))


def test_the_row_that_was_updated_last_is_used_from_the_file_library(tmp_path: Path) -> None:
    rows = reports.library_rows(NIGHT, [1.0, 2.0, 3.0]) + reports.library_rows(
        NIGHT, [5.0], updated="2025-10-02 08:00:00"
    )
    intraday = reports.library_rows(NIGHT, [99.0])[0].replace("Day-ahead", "Intraday")
    file = files.write(tmp_path / "2025_10_EnergyPrices_12.1.D_r3.csv", reports.LIBRARY, [*rows, intraday])
    series = files.read("entsoe", file)
    assert (list(series.price), series.name) == ([5, 2, 3], "DE-LU")
    later = files.write(
        tmp_path / "later.csv", reports.LIBRARY, reports.library_rows(NIGHT, [7.0], updated="2025-10-03 08:00:00")
    )
    assert list(files.read("entsoe", tmp_path).price) == [7, 2, 3]
    later.unlink()
    odd = [row.replace("PT60M", "P1D") for row in rows]
    with pytest.raises(DataError, match="row 2: ResolutionCode is 'P1D'"):
        files.read("entsoe", files.write(file, reports.LIBRARY, odd))


def test_nordpool_zones_are_columns_that_must_be_chosen(tmp_path: Path) -> None:
    file = reports.text(tmp_path / "x.csv", reports.elspot_file(NIGHT, [1.0, 2.0, 3.0]))
    with pytest.raises(DataError, match=r"a second area begins: SYS, SE3, DE-LU\. Choose one with market\.area"):
        files.read("nordpool", file)
    with pytest.raises(DataError, match="market.area=SE9: no row .* has it, only DE-LU, SE3, SYS"):
        files.read("nordpool", file, area="SE9")
    with pytest.raises(DataError, match=r"the prices are in EUR, and market.currency is SEK"):
        files.read("nordpool", file, area="SE3", currency="SEK")
    series = files.read("nordpool", file, area="sys")
    assert (series.name, set(series.price), series.time_zone) == ("SYS", {7.0}, "Europe/Brussels")
    with pytest.raises(DataError, match="price missing at 2025-10-01 00:00:00; the gap is 3 interval"):
        files.read("nordpool", file, area="DE-LU")


@pytest.mark.parametrize("zone", ["FI", "FI (EUR)", "FI Price (EUR)"])
def test_nordpool_portal_names_its_columns_in_several_ways(tmp_path: Path, zone: str) -> None:
    file = reports.text(tmp_path / "x.csv", reports.portal_file(NIGHT, [1.5, -2.25], 60, zone))
    series = files.read("nordpool", file)
    assert (list(series.price), series.name, series.time_zone) == ([1.5, -2.25], "FI", "Europe/Helsinki")
    assert len(files.read("nordpool", file, interval_minutes=15, resample="repeat")) == 8


def test_numbers_that_fit_two_styles_are_refused_until_market_decimal_decides(tmp_path: Path) -> None:
    lines = reports.portal_file(NIGHT, [1.125, 2.25], 60)
    assert list(files.read("nordpool", reports.text(tmp_path / "x.csv", lines)).price) == [1.125, 2.25]
    assert list(files.read("nordpool", tmp_path / "x.csv", decimal="comma").price) == [1.125, 2.25]
    with pytest.raises(DataError, match="row 3: SE3 .* is '2.25', but '1,125' in row 2|row 3: .*'2.25'"):
        files.read(
            "nordpool",
            reports.text(tmp_path / "x.csv", [*lines[:2], lines[2].replace("2,25", "2.25")]),
            decimal="comma",
        )
    for option, both in (
        ("nordpool", [*lines[:2], lines[2].replace("2,25", "2,250")]),
        (
            "entsoe",
            [reports.WEBSITE, *(row.replace("1.0", "1,125") for row in reports.website_rows(NIGHT, [1.0, 1.0]))],
        ),
    ):
        file = reports.text(tmp_path / "x.csv", both)
        with pytest.raises(DataError, match="row 2: .* is '1,125', .*set market.decimal=point or market.decimal=comma"):
            files.read(option, file)
        assert [files.read(option, file, decimal=sign).price[0] for sign in ("comma", "point")] == [1.125, 1125]


def test_a_point_in_a_file_with_semicolons_may_separate_thousands(tmp_path: Path) -> None:
    lines = [line.replace(",", ".") for line in reports.portal_file(NIGHT, [1.125, 2.125], 60)]
    file = reports.text(tmp_path / "x.csv", lines)
    with pytest.raises(DataError, match="row 2: .* is '1.125', .*set market.decimal=point or market.decimal=comma"):
        files.read("nordpool", file)
    assert list(files.read("nordpool", file, decimal="point").price) == [1.125, 2.125]


def test_nordpool_hours_must_be_hours(tmp_path: Path) -> None:
    lines = reports.elspot_file(NIGHT, [1.0, 2.0, 3.0])
    lines[4] = lines[4].replace("01\u00a0-\u00a002", "second")
    with pytest.raises(DataError, match="row 5: Hours is 'second', not hours such as 00 - 01"):
        files.read("nordpool", reports.text(tmp_path / "x.csv", lines), area="SE3")


def elexon(folder: Path, rows: list[str], header: str = reports.SYSTEM_PRICES) -> Path:
    return files.write(folder / "x.csv", header, rows)


def test_elexon_uses_the_price_that_was_created_last(tmp_path: Path) -> None:
    rows = reports.system_price_rows(NIGHT, [1.0, 2.0, 3.0], "2025-10-02T12:00:00Z")
    series = files.read("elexon", elexon(tmp_path, reports.system_price_rows(NIGHT, [9.0]) + rows))
    assert (list(series.price), series.name, series.currency) == ([1, 2, 3], "GB system price", "GBP")


def test_elexon_uses_the_latest_settlement_run(tmp_path: Path) -> None:
    runs = [("SF", 1.0), ("DF", 5.0), ("R3", 2.0)]
    rows = [row + f",{run}" for run, price in runs for row in reports.system_price_rows(NIGHT, [price, price])]
    assert list(files.read("elexon", elexon(tmp_path, rows, reports.SYSTEM_PRICES + ",SettlementRunType")).price) == [
        5,
        5,
    ]
    wrong = [row.replace(",DF", ",X9") for row in rows]
    with pytest.raises(DataError, match="row 4: the settlement run is 'X9', not one of II, SF"):
        files.read("elexon", elexon(tmp_path, wrong, reports.SYSTEM_PRICES + ",SettlementRunType"))


@pytest.mark.parametrize(("day", "period"), [("2025-03-30", 47), ("2025-10-26", 51), ("2025-07-01", 49)])
def test_elexon_periods_beyond_the_day_are_refused(tmp_path: Path, day: str, period: int) -> None:
    rows = [f"{day},{number},,,{number},{number}" for number in (*range(1, period), period)]
    with pytest.raises(DataError, match=f"row {period + 1}: .*{period}"):
        files.read("elexon", elexon(tmp_path, rows))
    assert len(files.read("elexon", elexon(tmp_path, rows[:-1]))) == period - 1


def test_elexon_dates_with_a_time_are_refused(tmp_path: Path) -> None:
    rows = reports.system_price_rows(NIGHT, [1.0, 2.0])
    timed = [f"2025-09-30T23:00:00Z,{row.partition(',')[2]}" for row in rows]
    with pytest.raises(DataError, match="row 2: SettlementDate is '2025-09-30T23:00:00Z', with a time of day"):
        files.read("elexon", elexon(tmp_path, timed))
    midnight = [f"{row[:10]}T00:00:00Z,{row.partition(',')[2]}" for row in rows]
    starts = [files.read("elexon", elexon(tmp_path, lines)).start[0] for lines in (midnight, rows)]
    assert starts[0] == starts[1] == np.datetime64("2025-09-30T22:00")


def test_elexon_dual_prices_are_refused(tmp_path: Path) -> None:
    rows = [row.rpartition(",")[0] + ",99.0" for row in reports.system_price_rows(NIGHT, [1.0, 2.0])]
    with pytest.raises(DataError, match="row 2: the sell price is 1 and the buy price 99: they are one price since"):
        files.read("elexon", elexon(tmp_path, rows))


def test_elexon_providers_of_the_index_need_a_choice(tmp_path: Path) -> None:
    rows = reports.market_index_rows(NIGHT, [1.0, 2.0]) + reports.market_index_rows(NIGHT, [0.0, 0.0], "N2EXMIDP")
    file = elexon(tmp_path, rows, reports.MARKET_INDEX)
    with pytest.raises(DataError, match=r"a second provider begins: APXMIDP, N2EXMIDP"):
        files.read("elexon", file)
    series = files.read("elexon", file, provider="APXMIDP")
    assert (list(series.price), series.name) == ([1, 2], "GB market index")


@pytest.mark.parametrize("option", ["entsoe", "nordpool", "elexon"])
def test_another_operators_file_is_refused_with_the_files_that_fit(tmp_path: Path, option: str) -> None:
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, [1.0, 2.0]))
    with pytest.raises(DataError, match="market.path must name (ENTSO-E|Nord Pool|Elexon)"):
        files.read(option, file)
