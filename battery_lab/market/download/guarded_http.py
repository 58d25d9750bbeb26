"""Guarded HTTP: what libraries request goes to an operator's hosts alone, within limits, and is retried."""

from __future__ import annotations

import io
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from typing import Any
from urllib.parse import urlsplit
from urllib.response import addinfourl

from battery_lab.common.errors import LabError
from battery_lab.market.file_formats.archives import check_archive

TIMEOUT_S = (15.0, 120.0)  # to connect, and between two parts of an answer
DELAYS_S = (1.0, 2.0, 4.0, 8.0)  # before each further attempt
LONGEST_WAIT_S = 60.0  # of a server's Retry-After
MOST_BYTES = 2 << 30
PASSING = (429, 500, 502, 503, 504)  # statuses of a server that may answer later
ZIP_MARK = b"PK\x03\x04"


class DownloadError(LabError):
    """A file that could not be downloaded.

    Attributes:
        status: the status of the server's answer; None without an answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Store the message and the status."""
        super().__init__(message)
        self.status = status


class NoConnectionError(DownloadError):
    """The server gave no answer at all, so that other files need not be tried."""


@contextmanager
def guarded_http(hosts: Sequence[str], most_bytes: int = MOST_BYTES) -> Iterator[list[LabError]]:
    """Guard all requests that are made with requests and urllib (pandas) in the block.

    Args:
        hosts: names of the servers that may be requested, and redirected to. Their subdomains may not.
        most_bytes: the largest answer.

    Yields:
        The errors of the requests, in their order: a library may handle them.
    """
    import requests.sessions

    errors: list[LabError] = []
    adapter = _adapter_class(frozenset(hosts), most_bytes, errors)
    names = vars(requests.sessions)
    original = names["HTTPAdapter"]
    # Libraries make sessions of their own, and each new session takes its adapters from here.
    names["HTTPAdapter"] = adapter
    urllib.request.install_opener(_opener())
    try:
        yield errors
    finally:
        names["HTTPAdapter"] = original
        urllib.request.install_opener(None)  # the default one


def _adapter_class(hosts: frozenset[str], most_bytes: int, errors: list[LabError]) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError

    class GuardedAdapter(HTTPAdapter):
        """Sends a request to an allowed host, and reads the whole answer within the limits."""

        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            options = {**dict(zip(("stream", "timeout"), args, strict=False)), **options}
            options |= {"stream": True, "timeout": TIMEOUT_S}
            try:
                host = _checked_host(request.url, hosts)
                return self._attempts(request, host, options)
            except LabError as error:
                errors.append(error)
                raise

        def _attempts(self, request: Any, host: str, options: dict[str, Any]) -> Any:
            for delay in (*DELAYS_S, None):
                response = None
                try:
                    response = super().send(request, **options)
                    _read(response, host, most_bytes)
                except (requests.RequestException, HTTPError, OSError) as error:
                    failure = _failure(host, error, response is not None)
                else:
                    if response.status_code < 400:
                        return response
                    file = urlsplit(request.url).path
                    failure = DownloadError(f"{host} answered {response.status_code} for {file}", response.status_code)
                if delay is None or failure.status not in (None, *PASSING):
                    raise failure
                time.sleep(_wait(response, delay))
            raise AssertionError("the last attempt returns or raises")

    return GuardedAdapter


def _checked_host(url: str, hosts: frozenset[str]) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or host not in hosts:
        raise DownloadError(
            f"a request to {parts.scheme}://{host} was refused: only {', '.join(sorted(hosts))} may be requested", 403
        )
    return host


def _read(response: Any, host: str, most_bytes: int) -> None:
    """Read the whole answer, which the response keeps; an archive in it is checked.

    Raises:
        DownloadError: it is too large.
        DataError: it is an archive that is damaged or unpacks to far more than prices do.
    """
    stream = response.raw.stream

    def counted(*args: Any, **options: Any) -> Iterator[bytes]:
        size = 0
        for part in stream(*args, **options):
            size += len(part)
            if size > most_bytes:
                response.close()
                limit = f"{most_bytes >> 20:,} MiB"
                raise DownloadError(f"{host} sent more than {limit}, far more than a file of prices", 413)
            yield part

    response.raw.stream = counted
    if response.content.startswith(ZIP_MARK):
        check_archive(response.content, f"the archive of {host}")


def _failure(host: str, error: Exception, answered: bool) -> DownloadError:
    if answered:
        return DownloadError(f"the connection to {host} was lost during the download")
    kind = "no answer in time from" if "timed out" in str(error).lower() else "no connection to"
    remedy = "check the network, and HTTPS_PROXY if there is a proxy"
    return NoConnectionError(f"{kind} {host} ({type(error).__name__}): {remedy}")


def _wait(response: Any, delay: float) -> float:
    retry_after = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(retry_after), LONGEST_WAIT_S) if retry_after.isdecimal() else delay


class _Handler(urllib.request.BaseHandler):
    """Answers urllib through requests, so that there is one way out."""

    def http_open(self, request: urllib.request.Request) -> addinfourl:
        import requests

        with requests.Session() as session:
            answer = session.request(
                request.get_method(), request.full_url, headers=dict(request.header_items()), data=request.data
            )
        headers = Message()
        for name, value in answer.headers.items():
            if name.lower() not in ("content-encoding", "content-length"):  # the content is unpacked already
                headers[name] = value
        response = addinfourl(io.BytesIO(answer.content), headers, answer.url, answer.status_code)
        vars(response)["msg"] = answer.reason  # pandas and urllib read it
        return response

    https_open = http_open


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https alone: no files, no FTP."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(_Handler())
    opener.add_handler(urllib.request.UnknownHandler())
    return opener
