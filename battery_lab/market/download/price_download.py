"""Price download: the days of a request, file by file, into a folder; what is there and undamaged is not repeated."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.market.download.aemo_tables import download_table
from battery_lab.market.download.fetch_request import FetchRequest
from battery_lab.market.download.fetched_files import Entry, FetchedFiles
from battery_lab.market.download.gridstatus_prices import download_prices
from battery_lab.market.download.guarded_http import NoConnectionError
from battery_lab.market.download.library_call import import_library, key_of

FAILURES_IN_A_ROW = 3  # after which the server is not requested again
Progress = Callable[[int, int, str], None]  # files done, files in all, a line about the last one
Download = Callable[[FetchRequest, str, date, date, Path], dict[str, Any]]


class Span(NamedTuple):
    """The days of one file."""

    key: str
    first: date
    last: date


@dataclass(frozen=True, kw_only=True)
class PriceDownload:
    """What a download has brought.

    Attributes:
        files: files in the folder that hold days of the request.
        kept: those of them that were there before.
        missing: days that the folder does not hold, as stretches from the first to the last.
        reasons: why, without repetition.
    """

    files: int
    kept: int
    missing: tuple[tuple[date, date], ...]
    reasons: tuple[str, ...]


def download(request: FetchRequest, progress: Progress) -> PriceDownload:
    """Download what a folder lacks of the days of a request.

    Raises:
        LabError: the request cannot be made: a library or a key is missing, the folder holds something else, or there
            is no such location.
    """
    key_of(request.operator.key_variable)
    import_library(request.operator.library)
    files = FetchedFiles(request.folder, request.stored)
    with files.locked():
        files.save()
        return _download_spans(request, files, progress)


def _download_spans(request: FetchRequest, files: FetchedFiles, progress: Progress) -> PriceDownload:
    spans = list(_spans(request))
    missing, reasons = list[date](), dict[str, None]()
    kept, new, failures = 0, 0, 0
    for i, span in enumerate(spans):
        if files.is_complete(*span):
            kept += 1
            progress(i + 1, len(spans), f"{span.key}: kept, as its checksum is right")
            continue
        try:
            entry = _download_span(request, files, span)
        except ConfigError:
            raise
        except LabError as error:
            failures += 1
            reasons[str(error)] = None
            missing += _days(span.first, span.last)
            progress(i + 1, len(spans), f"{span.key}: {error}")
            if isinstance(error, NoConnectionError) or failures == FAILURES_IN_A_ROW:
                missing += [
                    day for later in spans[i + 1 :] if not files.is_complete(*later) for day in _days(*later[1:])
                ]
                break
            continue
        failures, new = 0, new + 1
        absent = [day for day in entry.missing if span.first <= day <= span.last]
        missing += absent
        if absent:
            reasons["the operator's files do not hold them"] = None
        progress(i + 1, len(spans), f"{span.key}: {_facts(entry, files.folder)}")
    return PriceDownload(files=kept + new, kept=kept, missing=_stretches(missing), reasons=tuple(reasons))


def _download_span(request: FetchRequest, files: FetchedFiles, span: Span) -> Entry:
    before = files.manifest.entries.get(span.key)
    # A file that is replaced must not lose days that an earlier request has brought.
    first = min(span.first, before.first) if before else span.first
    last = max(span.last, before.last) if before else span.last
    fetch: Download = download_table if request.operator.library == "nemosis" else download_prices
    with files.part_folder() as part:
        facts = fetch(request, span.key, first, last, part)
        return files.add(span.key, facts, sorted(part.iterdir()))


def _spans(request: FetchRequest) -> Iterator[Span]:
    """Yield the days of each file of a request, in order."""
    day = request.first
    while day <= request.last:
        if request.product.unit == "day":
            key, end = f"{day}", day
        elif request.product.unit == "month":
            key, end = f"{day:%Y-%m}", day.replace(day=calendar.monthrange(day.year, day.month)[1])
        else:
            key, end = f"{day:%Y}", date(day.year, 12, 31)
        if request.operator.library == "nemosis":
            yield Span(key, day.replace(day=1), end)  # AEMO has whole months only
        else:
            yield Span(key, day, min(end, request.last))
        day = end + timedelta(days=1)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def _stretches(days: list[date]) -> tuple[tuple[date, date], ...]:
    stretches: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if stretches and day - stretches[-1][1] == timedelta(days=1):
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return tuple(stretches)


def _facts(entry: Entry, folder: Path) -> str:
    size = sum((folder / name).stat().st_size for name in entry.files)
    left_out = f", {entry.left_out:,} rows between two intervals were left out" if entry.left_out else ""
    return f"{', '.join(entry.files)}, {size / 1e6:,.1f} MB{left_out}"
