"""Prices through gridstatus: the table that is read has the prices that each operator served."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from battery_lab.common.errors import ConfigError
from tests.market import operator_files as files
from tests.market.download.fetched_prices import fetch, read
from tests.market.download.operator_proxy import Answer
from tests.market.download.recorded_answers import caiso_answer, nyiso_month

pytest.importorskip("gridstatus", reason="make setup-live")
HOURS = [20.0 + i for i in range(24)]
FIVE_MINUTES = [round(30 + i / 8, 3) for i in range(288)]
NODE = "TH_NP15_GEN-APND"


def now_in_new_york() -> bytes:
    rows = files.nyiso_rows(datetime.now(files.NEW_YORK), [1.0])
    return "\n".join([files.NYISO_HEADER, *rows]).encode()


def serve_nyiso(operator, rows):
    operator.serve("20240601realtime_zone_csv.zip", nyiso_month({"20240603": rows}, "realtime_zone"))
    operator.serve("realtime_zone_lbmp.csv", now_in_new_york())
    return {"market": "nyiso", "location": "NYC", "period": "2024-06-03/2024-06-03"}


def test_nyiso_real_time(operator, tmp_path):
    start = datetime(2024, 6, 3, tzinfo=files.NEW_YORK)
    other = files.nyiso_rows(start, [999.0] * 288, zone="CAPITL")
    request = serve_nyiso(operator, other + files.nyiso_rows(start, FIVE_MINUTES))
    series = read(fetch(tmp_path, **request))
    assert series.price.tolist() == pytest.approx(FIVE_MINUTES)
    assert str(series.start[0]) == "2024-06-03T04:00:00"


@pytest.mark.walk
def test_rows_between_two_intervals_are_left_out_and_counted(operator, tmp_path):
    rows = files.nyiso_rows(datetime(2024, 6, 3, tzinfo=files.NEW_YORK), FIVE_MINUTES)
    between = rows[100].replace(':00","N.Y.C."', ':18","N.Y.C."')
    request = serve_nyiso(operator, [*rows[:101], between, *rows[101:]])
    lines = []
    series = read(fetch(tmp_path, lines, **request))
    assert series.price.tolist() == pytest.approx(FIVE_MINUTES)
    assert lines[0].endswith("1 rows between two intervals were left out")


def test_nyiso_day_ahead_is_known_the_day_before(operator, tmp_path):
    rows = files.nyiso_rows(datetime(2024, 6, 3, tzinfo=files.NEW_YORK), HOURS, minutes=60, end=False)
    operator.serve("20240601damlbmp_zone_csv.zip", nyiso_month({"20240603": rows}, "damlbmp_zone"))
    request = {"market": "nyiso", "product": "day_ahead", "location": "N.Y.C.", "period": "2024-06-03/2024-06-03"}
    fetched = fetch(tmp_path, **request)
    assert fetched.next_steps[-1].overrides["market.published"] == {"price": "11:00 America/New_York"}
    assert read(fetched).price.tolist() == HOURS


@pytest.mark.parametrize(("product", "run", "minutes"), [("day_ahead", "DAM", 60), ("real_time", "RTM", 5)])
def test_caiso(operator, tmp_path, product, run, minutes):
    prices = HOURS if minutes == 60 else FIVE_MINUTES
    operator.serve("oasis.caiso.com", caiso_answer(datetime(2024, 6, 3, 7, tzinfo=UTC), prices, run, minutes))
    fetched = fetch(tmp_path, market="caiso", product=product, location=NODE, period="2024-06-03/2024-06-03")
    assert read(fetched).price.tolist() == pytest.approx(prices)
    assert f"market_run_id={run}&node={NODE}&startdatetime=20240603T07:00" in operator.requested[0]


def test_days_that_the_files_do_not_hold_are_missing_and_requested_again(operator, tmp_path):
    start = datetime(2024, 6, 3, 7, tzinfo=UTC)
    operator.serve("oasis.caiso.com", caiso_answer(start, HOURS, "DAM", 60), caiso_answer(start, HOURS * 2, "DAM", 60))
    request = {"market": "caiso", "product": "day_ahead", "location": NODE, "period": "2024-06-03/2024-06-04"}
    fetched = fetch(tmp_path, **request)
    assert fetched.result.missing == ((date(2024, 6, 4), date(2024, 6, 4)),)
    assert fetched.problem == "1 day is missing: 2024-06-04 (the operator's files do not hold them)"
    assert read(fetch(tmp_path, **request)).price.tolist() == HOURS * 2


def test_two_prices_of_an_interval_are_refused(operator, tmp_path):
    start = datetime(2024, 6, 3, tzinfo=files.NEW_YORK)
    rows = files.nyiso_rows(start, HOURS, minutes=60, end=False)
    second = rows[5].replace(repr(HOURS[5]), "99.0")
    texts = nyiso_month({"20240603": [*rows, second.replace("N.Y.C.", "LONGIL"), *rows]}, "damlbmp_zone")
    operator.serve("damlbmp_zone_csv.zip", texts)
    request = {"market": "nyiso", "product": "day_ahead", "period": "2024-06-03/2024-06-03"}
    assert read(fetch(tmp_path / "a", **request, location="NYC")).price.tolist() == HOURS
    operator.serve("damlbmp_zone_csv.zip", nyiso_month({"20240603": [*rows, second]}, "damlbmp_zone"))
    fetched = fetch(tmp_path / "b", **request, location="NYC")
    assert "2 prices of the interval that starts at 2024-06-03T09:00:00Z" in fetched.problem


def test_the_key_of_a_server_comes_from_the_environment_and_stands_nowhere(operator, tmp_path, monkeypatch):
    request = {"market": "pjm", "location": "51288", "period": "2024-06-03/2024-06-03"}
    monkeypatch.delenv("PJM_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="set PJM_API_KEY in the environment"):
        fetch(tmp_path, **request)
    monkeypatch.setenv("PJM_API_KEY", "secret-key-5")
    operator.serve("api.pjm.com", Answer(b'{"errors": "secret-key-5 is not valid"}'))
    lines = []
    fetched = fetch(tmp_path, lines, **request)
    assert "*** is not valid" in fetched.problem
    assert "secret" not in fetched.problem + "".join(lines) + (tmp_path / "fetch.json").read_text()


def test_earlier_days_of_a_month_are_kept_when_more_are_downloaded(operator, tmp_path):
    start = datetime(2024, 6, 3, 7, tzinfo=UTC)
    request = {"market": "caiso", "product": "day_ahead", "location": NODE}
    operator.serve("startdatetime=20240603T07:00-0000&enddatetime=20240604T07", caiso_answer(start, HOURS, "DAM", 60))
    fetch(tmp_path, **request, period="2024-06-03/2024-06-03")
    operator.serve("enddatetime=20240605T07", caiso_answer(start, HOURS * 2, "DAM", 60))
    fetched = fetch(tmp_path, **request, period="2024-06-04/2024-06-04")
    assert read(fetched).price.tolist() == HOURS * 2
