"""Resumed downloads: what is there and sound is kept, everything else is downloaded again."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import date

import pytest

from battery_lab.common.errors import DataError
from tests.cli.typed_commands import start
from tests.market.download.fetched_prices import fetch, read
from tests.market.download.operator_proxy import Answer
from tests.market.download.recorded_answers import aemo_month

pytest.importorskip("nemosis", reason="make setup-live")
PRICES = [30.0, 31.5, -2.25, 40.0, 28.0, 27.0]
AEMO = {"market": "aemo", "location": "NSW1"}
QUARTER = {**AEMO, "period": "2023-01-01/2023-03-31"}
FIRST = "PUBLIC_DVD_DISPATCHPRICE_202301010000.CSV"


def serve_quarter(operator):
    for month in (1, 2, 3):
        operator.serve(f"DISPATCHPRICE_20230{month}", aemo_month(PRICES, 2023, month))


def test_a_second_run_requests_nothing(operator, tmp_path):
    serve_quarter(operator)
    fetch(tmp_path, **QUARTER)
    operator.requested.clear()
    again = fetch(tmp_path, **QUARTER)
    assert (operator.requested, again.result.files, again.result.kept) == ([], 3, 3)
    entries = json.loads((tmp_path / "fetch.json").read_text())["entries"]
    assert [len(digest) for entry in entries.values() for digest in entry["files"].values()] == [64, 64, 64]


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_a_damaged_file_alone_is_downloaded_again(operator, tmp_path, damage):
    serve_quarter(operator)
    fetch(tmp_path, **QUARTER)
    file = tmp_path / FIRST
    whole = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(whole.replace(b"30.0", b"31.0") if damage == "changed" else whole[:-9])
    operator.requested.clear()
    fetched = fetch(tmp_path, **QUARTER)
    assert file.read_bytes() == whole
    assert [address[-16:-4] for address in operator.requested] == ["202301010000"]
    assert (fetched.result.kept, fetched.problem) == (2, "")


@pytest.mark.parametrize("passing", [Answer(b"", 500), Answer(b"", 429), Answer(b"x" * 99, lost=True)])
def test_a_request_is_repeated_after_a_passing_error(operator, tmp_path, passing):
    month = Answer(aemo_month(PRICES, 2023, 1))
    operator.serve("DISPATCHPRICE_202301", passing, passing, month)
    assert read(fetch(tmp_path, **AEMO, period="2023-01-01/2023-01-31")).price.tolist() == PRICES
    assert (len(operator.requested), operator.waits) == (3, [1.0, 2.0])


def test_a_server_says_how_long_to_wait(operator, tmp_path):
    busy = [Answer(b"", 429, {"Retry-After": text}) for text in ("7", "86400")]
    operator.serve("DISPATCHPRICE_202301", *busy, Answer(aemo_month(PRICES, 2023, 1)))
    assert fetch(tmp_path, **AEMO, period="2023-01-01/2023-01-31").problem == ""
    assert operator.waits == [7.0, 60.0]


def test_a_failure_leaves_the_other_files_and_names_the_days(operator, tmp_path):
    serve_quarter(operator)
    operator.serve("DISPATCHPRICE_202302", Answer(b"", 503))
    fetched = fetch(tmp_path, **QUARTER)
    assert fetched.result.missing == ((date(2023, 2, 1), date(2023, 2, 28)),)
    assert fetched.problem.startswith(
        "28 days are missing: 2023-02-01 to 2023-02-28 (www.nemweb.com.au answered 503 for"
    )
    assert len(operator.addresses("202302")) == 5
    operator.requested.clear()
    serve_quarter(operator)
    assert (fetch(tmp_path, **QUARTER).problem, len(operator.requested)) == ("", 1)


def test_a_server_that_fails_again_and_again_is_left_alone(operator, tmp_path):
    fetched = fetch(tmp_path, **AEMO, period="2022-01-01/2022-12-31")
    assert len(operator.requested) == 3
    assert fetched.result.missing == ((date(2022, 1, 1), date(2022, 12, 31)),)


def test_without_a_network_one_file_is_tried(operator, tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    lines = []
    fetched = fetch(tmp_path, lines, **QUARTER)
    assert "no connection to www.nemweb.com.au" in fetched.problem
    assert fetched.problem.startswith("90 days are missing: 2023-01-01 to 2023-03-31 (")
    assert len(lines) == 1


def test_what_an_interrupted_download_left_is_no_price_file(operator, tmp_path):
    serve_quarter(operator)
    fetch(tmp_path, **AEMO, period="2023-01-01/2023-01-31")
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / FIRST).write_text("half a fi")
    (tmp_path / "part-0123-fetch.json").write_text("{")
    assert read(fetch(tmp_path, **AEMO, period="2023-01-01/2023-01-31")).price.tolist() == PRICES
    fetch(tmp_path, **QUARTER)
    assert len(list(tmp_path.glob("[!.]*"))) == 4
    assert not (tmp_path / ".part").exists()


def test_a_folder_is_for_one_download(operator, tmp_path):
    serve_quarter(operator)
    fetch(tmp_path / "a", **QUARTER)
    fetch(tmp_path / "a", **QUARTER | {"location": "VIC1"})
    with pytest.raises(DataError, match=r"holds another download \(operator: aemo, product: dispatch\)"):
        fetch(tmp_path / "a", **QUARTER, product="trading")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="holds something else, and no fetch.json: choose an empty"):
        fetch(tmp_path / "b", **QUARTER)
    for content in ("{", '{"request": {}, "entries": {"2023-01": {"files": {"../x": "0"}}}}'):
        (tmp_path / "a" / "fetch.json").write_text(content)
        with pytest.raises(DataError, match=r"fetch.json is damaged \(.*delete it with the files beside it"):
            fetch(tmp_path / "a", **QUARTER)


@pytest.mark.walk
def test_a_killed_command_continues_with_the_file_that_it_lost(operator, tmp_path):
    serve_quarter(operator)
    reached, killed = threading.Event(), threading.Event()

    class Held(list):
        """Answers that are given after the client was killed."""

        def __len__(self):
            reached.set()
            killed.wait(60)
            return 1

    month = operator.answers["DISPATCHPRICE_202302"]
    operator.answers["DISPATCHPRICE_202302"] = Held(month)
    typed = ["data", "fetch", *(f"{key}={value}" for key, value in QUARTER.items()), "folder=prices"]
    environment = {name: os.environ[name] for name in ("http_proxy", "https_proxy")}
    process = start(tmp_path, *typed, **environment)
    try:
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        killed.set()
        process.communicate()
    assert [file.name for file in (tmp_path / "prices").glob("*.CSV")] == [FIRST]
    operator.answers["DISPATCHPRICE_202302"] = month
    operator.requested.clear()
    process = start(tmp_path, *typed, **environment)
    out, err = process.communicate()
    assert (process.returncode, "2 files downloaded, 1 kept" in out) == (0, True), err
    assert sorted(address[-16:-4] for address in operator.requested) == ["202302010000", "202303010000"]
