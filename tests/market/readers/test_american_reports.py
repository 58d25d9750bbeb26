"""PJM, ISO-NE, IESO, MISO and SPP: superseded rows, trailers, clocks, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports

NIGHT = datetime(2024, 7, 1, 5, tzinfo=UTC)
PJM = reports.PJM_HEADER.format(run="rt")


def pjm(folder: Path, rows: list[str], header: str = PJM) -> Path:
    return files.write(folder / "x.csv", header, rows)


def test_pjm_uses_the_newest_version_of_an_hour(tmp_path: Path) -> None:
    rows = reports.pjm_rows(NIGHT, [10.0, 20.0, 30.0])
    rows[1:1] = reports.pjm_rows(NIGHT, [90.0], current=False)
    rows += reports.pjm_rows(NIGHT, [40.0], version=3) + reports.pjm_rows(NIGHT, [50.0], version=2)
    series = files.read("pjm", pjm(tmp_path, rows))
    assert list(series.price) == [40, 20, 30]
    assert series.notes[0] == "x.csv: 1 rows with row_is_current False were left out"
    assert (series.name, series.time_zone, series.start[0]) == (
        "WESTERN HUB",
        "America/New_York",
        np.datetime64(NIGHT.replace(tzinfo=None)),
    )


def test_pjm_clocks_must_agree(tmp_path: Path) -> None:
    rows = reports.pjm_rows(NIGHT, [1.0, 2.0, 3.0])
    rows[2] = rows[2].replace("3:00:00 AM", "4:00:00 AM")
    with pytest.raises(
        DataError, match="row 4: 2024-07-01 07:00:00 in UTC is 2024-07-01 03:00:00 on the eastern clock"
    ):
        files.read("pjm", pjm(tmp_path, rows))


def test_pjm_nodes_with_one_name_are_told_apart_by_number(tmp_path: Path) -> None:
    rows = reports.pjm_rows(NIGHT, [1.0, 2.0], number=7) + reports.pjm_rows(NIGHT, [3.0, 4.0], number=8)
    file = pjm(tmp_path, rows)
    with pytest.raises(DataError, match=r"a second node id begins: 7, 8\. Choose one with market\.node_id"):
        files.read("pjm", file, node="WESTERN HUB")
    assert list(files.read("pjm", file, node_id=8).price) == [3, 4]


def test_pjm_five_minute_prices_that_are_not_verified_are_read(tmp_path: Path) -> None:
    header = "datetime_beginning_utc,datetime_beginning_ept,name,type,itsced_lmp,marginal_congestion,marginal_loss"
    rows = [
        f"7/1/2024 5:{minute:02d}:00 AM,7/1/2024 1:{minute:02d}:00 AM,PJM-RTO,ZONE,{minute},0,0"
        for minute in (0, 5, 10)
    ]
    assert list(files.read("pjm", pjm(tmp_path, rows, header)).price) == [0, 5, 10]


def test_pjm_file_with_both_markets_needs_a_choice(tmp_path: Path) -> None:
    header = "datetime_beginning_utc,pnode_name,total_lmp_rt,total_lmp_da"
    file = pjm(tmp_path, [f"7/1/2024 {hour}:00:00 AM,AEP,{hour},{10 * hour}" for hour in (5, 6, 7)], header)
    with pytest.raises(
        DataError, match=r"day-ahead and real-time prices\. Choose one with market\.market_run=day_ahead"
    ):
        files.read("pjm", file)
    assert list(files.read("pjm", file, market_run="day_ahead").price) == [50, 60, 70]


def isone(folder: Path, lines: list[str], name: str = "x.csv") -> Path:
    return reports.text(folder / name, lines)


def test_isone_trailer_must_count_the_rows(tmp_path: Path) -> None:
    lines = reports.isone_report(NIGHT, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"row 7: the trailer is '\"T\",\"3 lines\"', and the file has 2 rows of data"):
        files.read("isone", isone(tmp_path, [*lines[:5], *lines[6:]]))
    with pytest.raises(DataError, match=r"row 7: the file has no T row"):
        files.read("isone", isone(tmp_path, lines[:-1]))


def test_isone_reports_may_stand_one_behind_another(tmp_path: Path) -> None:
    later = datetime(2024, 7, 1, 8, tzinfo=UTC)
    lines = reports.isone_report(NIGHT, [1.0, 2.0, 3.0]) + reports.isone_report(later, [4.0, 5.0])
    assert list(files.read("isone", isone(tmp_path, lines)).price) == [1, 2, 3, 4, 5]


def test_isone_day_ahead_and_real_time_are_not_mixed(tmp_path: Path) -> None:
    lines = reports.isone_report(NIGHT, [1.0, 2.0, 3.0])
    isone(tmp_path, lines, "a.csv")
    isone(tmp_path, [lines[0].replace("Real-Time", "Day-Ahead"), *lines[1:]], "b.csv")
    with pytest.raises(DataError, match=r"a second market run begins.*market\.market_run"):
        files.read("isone", tmp_path)
    assert len(files.read("isone", tmp_path, market_run="day_ahead")) == 3


def five_minutes(folder: Path, times: list[str], title: str = '"C","Report for: 11/03/2024 - 11/03/2024"') -> Path:
    rows = [f'"D","{time}","4000",{i},0,0,0' for i, time in enumerate(times)]
    header = '"H","Local Time","Location ID","LMP","Energy Component","Congestion Component","Loss Component"'
    return isone(folder, ['"C","Five-Minute Real-Time LMP"', title, header, *rows, f'"T","{len(rows)} lines"'])


def test_isone_five_minutes_take_their_day_from_the_report_and_the_passes_from_the_order(tmp_path: Path) -> None:
    times = [f"01:{minute:02d}:00" for minute in range(0, 60, 5)]
    series = files.read("isone", five_minutes(tmp_path, times + times), node="4000")
    assert (len(series), series.interval_h, series.name) == (24, 1 / 12, "4000")
    assert series.start[0] == np.datetime64("2024-11-03T05:00")
    with pytest.raises(DataError, match="the C rows do not state for which day the report is"):
        files.read("isone", five_minutes(tmp_path, times, '"C","Filename: x.csv"'))


def test_isone_flag_outside_of_the_repeated_hour_is_refused(tmp_path: Path) -> None:
    lines = [line.replace(",02,", ",02X,") for line in reports.isone_report(NIGHT, [1.0, 2.0, 3.0])]
    with pytest.raises(DataError, match="is flagged as a repeated hour, but America/New_York does not repeat it"):
        files.read("isone", isone(tmp_path, lines))


def test_ieso_locational_prices_take_their_day_from_the_title_or_the_name(tmp_path: Path) -> None:
    header = "Delivery Hour,Interval,Pricing Location,LMP,Energy Loss Price,Energy Congestion Price"
    rows = [
        f"{hour},{k},{node},{price},0,0"
        for node, price in (("A:LMP", 7), ("B:LMP", 8))
        for hour in (1, 2)
        for k in range(1, 13)
    ]
    for title in ("CREATED AT 2025/06/02 00:04:59 FOR 2025/06/01", "CREATED AT 2025/06/02 00:04:59 FOR 20250601"):
        file = reports.text(tmp_path / "PUB_RealtimeEnergyLMP.csv", [title, header, *rows])
        series = files.read("ieso", file, node="B:LMP")
        assert (len(series), series.interval_h, set(series.price)) == (24, 1 / 12, {8.0})
        assert series.start[0] == np.datetime64("2025-06-01T05:00")
    named = reports.text(tmp_path / "PUB_RealtimeEnergyLMP_20250601.csv", [header, *rows])
    assert files.read("ieso", named, node="B:LMP").start[0] == np.datetime64("2025-06-01T05:00")
    nowhere = reports.text(tmp_path / "x.csv", [header, *rows])
    with pytest.raises(DataError, match="states its day.*name it like PUB_DAHourlyEnergyLMP_20250601"):
        files.read("ieso", nowhere, node="B:LMP")


def test_ieso_predispatch_prices_are_never_prices(tmp_path: Path) -> None:
    lines = [
        "CREATED AT 2025/06/01 12:00:00 FOR 2025/06/02",
        "Delivery Hour,Pricing Location,LMP",
        "1,A,10.0",
        "2,A,20.0",
    ]
    series = files.read("ieso", reports.text(tmp_path / "PUB_DAHourlyEnergyLMP.csv", lines), market_run="day_ahead")
    assert list(series.price) == [10, 20]
    with pytest.raises(DataError, match="predispatch prices are forecasts, no settled prices"):
        files.read("ieso", reports.text(tmp_path / "PUB_PredispHourlyEnergyLMP.csv", lines))


@pytest.mark.parametrize(("hour", "message"), [("25", "row 5: the hour is '25'"), ("x", "row 5: the hour is 'x'")])
def test_ieso_hours_are_from_1_to_24(tmp_path: Path, hour: str, message: str) -> None:
    lines = reports.hoep_file(NIGHT, [1.0, 2.0, 3.0])
    lines[4] = lines[4].replace(",1,1.0,", f",{hour},1.0,")
    with pytest.raises(DataError, match=message):
        files.read("ieso", reports.text(tmp_path / "x.csv", lines))


def test_ieso_prices_above_999_may_have_a_separator_of_thousands(tmp_path: Path) -> None:
    lines = [line.replace(",2.0,", ',"1,891.14",') for line in reports.hoep_file(NIGHT, [1.0, 2.0, 3.0])]
    assert list(files.read("ieso", reports.text(tmp_path / "x.csv", lines)).price) == [1, 1891.14, 3]


def test_ieso_files_that_a_spreadsheet_saved_with_decimal_commas_keep_their_prices(tmp_path: Path) -> None:
    lines = [line.replace(",", ";").replace(".", ",") for line in reports.hoep_file(NIGHT, [22.56, 3.25, 4.5])]
    series = files.read("ieso", reports.text(tmp_path / "x.csv", lines))
    assert series.price.tolist() == [22.56, 3.25, 4.5]


def test_miso_day_of_title_and_name_must_agree(tmp_path: Path) -> None:
    reports.miso_files(tmp_path, datetime(2024, 3, 10, 5, tzinfo=UTC), [float(i) for i in range(24)])
    file = tmp_path / "20240310_da_expost_lmp.csv"
    assert list(files.read("miso", file, node="indiana.hub").price) == list(range(24))
    moved = file.rename(tmp_path / "20240311_da_expost_lmp.csv")
    with pytest.raises(DataError, match="is for 03/10/2024 by its title and for 03/11/2024 by its name"):
        files.read("miso", moved, node="INDIANA.HUB")
    with pytest.raises(DataError, match=r"a second node begins: INDIANA.HUB, ARKANSAS.HUB"):
        files.read("miso", moved.rename(file))


def test_miso_hours_without_a_price_are_a_gap(tmp_path: Path) -> None:
    reports.miso_files(tmp_path, datetime(2024, 3, 10, 5, tzinfo=UTC), [1.0] * 20)
    with pytest.raises(DataError, match=r"row 6: price missing at 2024-03-10 20:00:00; the gap is 4 interval"):
        files.read("miso", tmp_path, node="INDIANA.HUB")


def test_miso_day_ahead_and_real_time_are_not_mixed(tmp_path: Path) -> None:
    reports.miso_files(tmp_path, datetime(2024, 3, 10, 5, tzinfo=UTC), [1.0] * 24)
    file = tmp_path / "20240310_da_expost_lmp.csv"
    (tmp_path / "20240310_rt_lmp_final.csv").write_text(
        file.read_text().replace("Day Ahead Market ExPost", "Real-Time Final Market")
    )
    with pytest.raises(DataError, match=r"a second market run begins: day_ahead, real_time"):
        files.read("miso", tmp_path, node="INDIANA.HUB")
    assert len(files.read("miso", tmp_path, node="INDIANA.HUB", market_run="real_time")) == 24


def test_spp_areas_continue_files_that_have_none(tmp_path: Path) -> None:
    rows = reports.spp_rows(NIGHT, [1.0, 2.0, 3.0])
    files.write(tmp_path / "RTBM-LMP-DAILY-SL-20240701.csv", reports.SPP_HEADER, rows)
    later = datetime(2024, 7, 1, 5, 15, tzinfo=UTC)
    with_area = [row + f",{area}" for area in ("SPP", "SWPW") for row in reports.spp_rows(later, [4.0, 5.0])]
    files.write(tmp_path / "RTBM-LMP-DAILY-SL-20240702.csv", reports.SPP_HEADER + ",BAA", with_area)
    with pytest.raises(DataError, match=r"a second area begins: SPP, SWPW"):
        files.read("spp", tmp_path)
    assert list(files.read("spp", tmp_path, area="SPP").price) == [1, 2, 3, 4, 5]


def test_spp_older_names_of_columns_are_read(tmp_path: Path) -> None:
    header = "Interval, GMT Interval, Settlement Location Name, PNODE Name, LMP, MLC, MCC, MEC"
    file = files.write(tmp_path / "DA-LMP-SL-201507010100.csv", header, reports.spp_rows(NIGHT, [1.0, 2.0, 3.0], 60))
    series = files.read("spp", file, market_run="day_ahead")
    assert (list(series.price), series.interval_h) == ([1, 2, 3], 1.0)


@pytest.mark.parametrize("option", ["pjm", "isone", "ieso", "miso", "spp"])
def test_another_operators_file_is_refused_with_the_files_that_fit(tmp_path: Path, option: str) -> None:
    file = files.write(tmp_path / "x.csv", files.AEMO_HEADER, files.aemo_rows(NIGHT, [1.0, 2.0]))
    with pytest.raises(DataError, match="market.path must name .*(PJM|ISO-NE|IESO|MISO|SPP)"):
        files.read(option, file)
