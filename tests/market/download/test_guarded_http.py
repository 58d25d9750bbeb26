"""Guarded HTTP: requests of libraries reach the operator's hosts alone, and answers have limits."""

from __future__ import annotations

import urllib.request
from contextlib import suppress

import pandas as pd
import pytest

from battery_lab.common.errors import DataError, LabError
from battery_lab.market.download.guarded_http import DownloadError, guarded_http
from battery_lab.market.download.library_call import call_library
from tests.market.download.operator_proxy import Answer, zipped

requests = pytest.importorskip("requests", reason="make setup-live")
HOST = "mis.nyiso.com"  # codespell:ignore mis


def get(address, most_bytes=1 << 20):
    with guarded_http([HOST], most_bytes):
        return requests.get(address).content


@pytest.mark.parametrize("address", [f"http://{HOST}/a.csv", f"https://{HOST}/a.csv"])
def test_requests_and_pandas_get_what_the_host_serves(operator, address):
    operator.serve("a.csv", b"x,y\n1,2\n")
    assert get(address) == b"x,y\n1,2\n"
    with guarded_http([HOST]):
        assert pd.read_csv(address).to_dict("list") == {"x": [1], "y": [2]}
    assert operator.requested == [address, address]


def test_a_redirection_is_followed_to_an_allowed_host_alone(operator):
    operator.serve("/old", Answer(b"", 302, {"Location": f"https://{HOST}/new"}))
    operator.serve("/new", b"x")
    operator.serve("/away", Answer(b"", 302, {"Location": "http://127.0.0.1/secret"}))
    assert get(f"http://{HOST}/old") == b"x"
    with pytest.raises(DownloadError, match=f"http://127.0.0.1 was refused: only {HOST} may be requested"):
        get(f"http://{HOST}/away")
    assert operator.addresses("secret") == []


@pytest.mark.parametrize("address", [f"http://{HOST}.evil.com/a", f"http://{HOST}@evil.com/a", "http://evil.com/a"])
def test_other_hosts_are_refused(operator, address):
    with pytest.raises(DownloadError, match="was refused"):
        get(address)
    assert operator.requested == []


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://mis.nyiso.com/a"])  # codespell:ignore mis
def test_urllib_opens_neither_files_nor_ftp(operator, address):
    with guarded_http([HOST]), pytest.raises(OSError, match="unknown url type"):
        urllib.request.urlopen(address)


def test_an_answer_has_a_largest_size(operator):
    operator.serve("a", b"x" * 300_000)
    operator.serve("/z", Answer(b"x" * 300_000))
    assert len(get(f"http://{HOST}/a", 300_000)) == 300_000
    with pytest.raises(DownloadError, match="sent more than"):
        get(f"http://{HOST}/a", 299_999)
    assert len(operator.requested) == 2


def test_archives_that_unpack_to_far_more_than_prices_are_refused(operator):
    operator.serve("bomb", zipped({"a.csv": "0"}, stated_size=65 << 20))
    operator.serve("outside", zipped({"../a.csv": "x"}))
    with pytest.raises(DataError, match="unpacks to far more than prices do"):
        get(f"http://{HOST}/bomb")
    with pytest.raises(DataError, match="is no place within the archive"):
        get(f"http://{HOST}/outside")


def test_errors_are_known_after_a_library_has_handled_them(operator):
    with guarded_http([HOST]) as errors:
        try:
            requests.get(f"http://{HOST}/a")
        except LabError as error:
            assert errors == [error]
    assert errors[0].status == 404


def test_a_failure_that_a_library_leaves_out_is_an_error(operator):
    operator.serve("b", b"x")

    def call():
        with suppress(LabError):
            requests.get(f"http://{HOST}/a")
        return requests.get(f"http://{HOST}/b").content

    with pytest.raises(DownloadError, match="answered 404 for /a"):
        call_library(call, [HOST])


def test_afterwards_all_is_as_before(operator):
    before = requests.sessions.HTTPAdapter
    get_error = pytest.raises(DownloadError)
    with get_error:
        get("http://evil.com/")
    assert requests.sessions.HTTPAdapter is before
    operator.serve("evil.com", b"x")
    assert requests.get("http://evil.com/").content == b"x"
