"""Round trips of reports: any regular series that is written in an operator's form is read back unchanged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.common.errors import DataError
from tests.market import operator_files as files
from tests.market import operator_reports as reports
from tests.market.intervals.drawn_stretches import quick, stretches
from tests.market.readers.test_round_trip import check_series


@quick
@given(data=st.data(), table=st.sampled_from(["DISPATCH,PRICE,5", "TRADING,PRICE,3", "DREGION,,3", "TREGION,,2"]))
def test_nemweb_round_trip_in_any_order_of_rows(data: st.DataObject, table: str) -> None:
    minutes = data.draw(st.sampled_from([5, 30]))
    start, prices = data.draw(stretches(minutes))
    header, *rows = reports.price_table(start, prices, minutes, table=table)
    _, *others = reports.price_table(start, [-1.0] * len(prices), minutes, "NSW1", table)
    both = rows + others
    np.random.default_rng(len(both)).shuffle(both)
    cut = data.draw(st.integers(1, len(both) - 1))
    with tempfile.TemporaryDirectory() as folder:
        # The files overlap by a row, and have names as NEMWEB's new ones.
        reports.text(Path(folder) / "PUBLIC_ARCHIVE#X#FILE02#1.CSV", reports.nem_report([header, *both[: cut + 1]]))
        reports.text(Path(folder) / "PUBLIC_ARCHIVE#X#FILE01#2.csv", reports.nem_report([header, *both[cut:]]))
        series = files.read("nemweb", folder, region="vic1")
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data(), ending=st.sampled_from(["feather", "parquet", "csv"]), dates=st.booleans())
def test_nemosis_cache_round_trip(data: st.DataObject, ending: str, dates: bool) -> None:
    start, prices = data.draw(stretches(5))
    ends = pd.DatetimeIndex(
        [time.astimezone(files.NEM).replace(tzinfo=None) for time in files.times(start, len(prices), 5)]
    )
    ends += pd.Timedelta(minutes=5)
    stamps = ends if dates else ends.strftime("%Y/%m/%d %H:%M:%S")
    frame = pd.DataFrame({"SETTLEMENTDATE": stamps, "REGIONID": "VIC1", "INTERVENTION": 0.0, "RRP": prices})
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/PUBLIC_ARCHIVE#DISPATCHPRICE#FILE01#202408010000.{ending}"
        {"feather": frame.to_feather, "parquet": frame.to_parquet, "csv": lambda f: frame.to_csv(f, index=False)}[
            ending
        ](file)
        check_series(files.read("nemweb", file), start, prices, 5)


@quick
@given(data=st.data(), minutes=st.sampled_from([5, 60]), run=st.sampled_from(["da", "rt"]))
def test_pjm_round_trip(data: st.DataObject, minutes: int, run: str) -> None:
    start, prices = data.draw(stretches(minutes))
    rows = reports.pjm_rows(start, prices, minutes) + reports.pjm_rows(start, prices, minutes, "PJM-RTO", 1)
    with tempfile.TemporaryDirectory() as folder:
        file = files.write(Path(folder) / "x.csv", reports.PJM_HEADER.format(run=run), rows)
        series = files.read("pjm", file, node="western hub")
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data())
def test_isone_round_trip_through_both_clock_changes(data: st.DataObject) -> None:
    start, prices = data.draw(stretches(60))
    lines = reports.isone_report(start, prices, ((4001, ".Z.MAINE"), (4000, ".H.INTERNAL_HUB")))
    with tempfile.TemporaryDirectory() as folder:
        series = files.read("isone", reports.text(Path(folder) / "x.csv", lines), node_id=4001)
    check_series(series, start, prices, 60)
    assert series.name == ".Z.MAINE"


@quick
@given(data=st.data())
def test_ieso_round_trip(data: st.DataObject) -> None:
    start, prices = data.draw(stretches(60))
    with tempfile.TemporaryDirectory() as folder:
        series = files.read("ieso", reports.text(Path(folder) / "x.csv", reports.hoep_file(start, prices)))
    check_series(series, start, prices, 60)


@quick
@given(data=st.data())
def test_miso_round_trip(data: st.DataObject) -> None:
    start, prices = data.draw(stretches(60))
    with tempfile.TemporaryDirectory() as folder:
        series = files.read("miso", reports.miso_files(Path(folder), start, prices), node="INDIANA.HUB", gaps="split")
    whole = slice(0, len(prices))  # the last day may end in empty hours, which are a gap
    check_series(series.rows(0, len(prices)), start, prices, 60)
    assert series.gap[len(prices) :].all() and not series.gap[whole].any()


@quick
@given(data=st.data(), minutes=st.sampled_from([5, 60]))
def test_spp_round_trip(data: st.DataObject, minutes: int) -> None:
    start, prices = data.draw(stretches(minutes))
    rows = reports.spp_rows(start, prices, minutes) + reports.spp_rows(start, prices, minutes, "SPPSOUTH_HUB")
    with tempfile.TemporaryDirectory() as folder:
        file = files.write(Path(folder) / "RTBM-LMP-DAILY-SL-20240701.csv", reports.SPP_HEADER, rows)
        series = files.read("spp", file, location="SPPNORTH_HUB")
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data(), minutes=st.sampled_from([15, 30, 60]), form=st.sampled_from(["order", "clocks", "library"]))
def test_entsoe_round_trip_through_both_clock_changes(data: st.DataObject, minutes: int, form: str) -> None:
    start, prices = data.draw(stretches(minutes))
    is_library = form == "library"
    rows = reports.library_rows(start, prices, minutes)
    if not is_library:
        rows = reports.website_rows(start, prices, minutes, clocks=form == "clocks")
    others = reports.website_rows(start, prices, minutes, "BZN|FR") if not is_library else []
    with tempfile.TemporaryDirectory() as folder:
        header = reports.LIBRARY if is_library else reports.WEBSITE
        series = files.read("entsoe", files.write(Path(folder) / "x.csv", header, rows + others), area="BZN|DE-LU")
    check_series(series, start, prices, minutes)


@quick
@given(data=st.data(), is_portal=st.booleans())
def test_nordpool_round_trip_through_both_clock_changes(data: st.DataObject, is_portal: bool) -> None:
    minutes = 15 if is_portal else 60
    start, prices = data.draw(stretches(minutes))
    lines = reports.portal_file(start, prices) if is_portal else reports.elspot_file(start, prices)
    with tempfile.TemporaryDirectory() as folder:
        series = files.read("nordpool", reports.text(Path(folder) / "x.csv", lines), area="SE3")
    check_series(series, start, prices, minutes)


CUT = {
    "pjm": lambda start, prices: [reports.PJM_HEADER.format(run="rt"), *reports.pjm_rows(start, prices)],
    "isone": reports.isone_report,
    "ieso": reports.hoep_file,
    "spp": lambda start, prices: [reports.SPP_HEADER, *reports.spp_rows(start, prices)],
    "entsoe": lambda start, prices: [reports.WEBSITE, *reports.website_rows(start, prices)],
    "elexon": lambda start, prices: [reports.SYSTEM_PRICES, *reports.system_price_rows(start, prices)],
}


@quick
@given(data=st.data(), option=st.sampled_from(sorted(CUT)))
def test_a_file_that_ends_within_a_row_is_refused(data: st.DataObject, option: str) -> None:
    lines = CUT[option](*data.draw(stretches(60)))
    place = 3 if option == "isone" else 1  # before its trailer, or within the last row
    *before, last = lines[: len(lines) - place + 1]
    short = last[: data.draw(st.integers(1, last.rindex(",")))]
    with tempfile.TemporaryDirectory() as folder:
        file = reports.text(Path(folder) / "x.csv", [*before, short])
        with pytest.raises(DataError):
            files.read(option, file)


@quick
@given(data=st.data(), is_index=st.booleans())
def test_elexon_round_trip_through_both_clock_changes(data: st.DataObject, is_index: bool) -> None:
    start, prices = data.draw(stretches(30))
    rows = reports.market_index_rows(start, prices) if is_index else reports.system_price_rows(start, prices)
    header = reports.MARKET_INDEX if is_index else reports.SYSTEM_PRICES
    with tempfile.TemporaryDirectory() as folder:
        series = files.read("elexon", files.write(Path(folder) / "x.csv", header, rows[::-1]))
    check_series(series, start, prices, 30)
