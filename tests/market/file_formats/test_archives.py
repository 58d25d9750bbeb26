"""Archives: files in .zip and .gz archives are read in memory, and archives that are a danger are refused."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from battery_lab.common.errors import DataError
from battery_lab.market.file_formats.archives import Limits, archive_members, open_file, read_whole
from tests.market import operator_files as files

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
PRICES = [float(price) for price in range(24)]
BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


def texts(count: int = 4) -> dict[str, bytes]:
    """Return the content of AEMO files by name, that make one series."""
    rows, each = files.aemo_rows(NIGHT, PRICES), len(PRICES) // count
    parts = [rows[i * each : (i + 1) * each] for i in range(count)]
    return {f"part{i}.CSV": "\n".join([files.AEMO_HEADER, *part]).encode() for i, part in enumerate(parts)}


def zipped(members: dict[str, bytes], level: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", level) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def save(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def test_a_zip_of_files_in_folders(tmp_path: Path) -> None:
    members = {f"2024/{name}": content for name, content in texts().items()}
    extra = {"readme.txt": b"terms of use", "__MACOSX/._part0.CSV": b"x", ".hidden.csv": b"x", "page.pdf": b"x"}
    archive = save(tmp_path / "prices.ZIP", zipped(members | extra))
    assert files.read("aemo", archive).price.tolist() == PRICES
    assert files.read("aemo", tmp_path).price.tolist() == PRICES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prices.ZIP"]


def test_zips_in_zips_and_gzips(tmp_path: Path) -> None:
    inner = {f"{name}.zip": zipped({name: content}) for name, content in texts().items()}
    save(
        tmp_path / "all.zip",
        zipped({"first.zip": zipped(dict(list(inner.items())[:2])), **dict(list(inner.items())[2:])}),
    )
    assert files.read("aemo", tmp_path).price.tolist() == PRICES
    packed = {f"{name}.gz": gzip.compress(content) for name, content in texts().items()}
    save(tmp_path / "all.zip", zipped(packed))
    assert files.read("aemo", tmp_path).price.tolist() == PRICES
    (tmp_path / "all.zip").unlink()
    for name, content in packed.items():
        save(tmp_path / name, content)
    assert files.read("aemo", tmp_path).price.tolist() == PRICES


def test_archives_and_files_side_by_side(tmp_path: Path) -> None:
    for i, (name, content) in enumerate(texts().items()):
        save(tmp_path / f"{name}.zip", zipped({name: content})) if i % 2 else save(tmp_path / name, content)
    assert files.read("aemo", tmp_path).price.tolist() == PRICES


def test_errors_name_the_file_in_the_archive_and_the_row(tmp_path: Path) -> None:
    members = texts()
    members["part2.CSV"] = members["part2.CSV"].replace(b",13.0,", b",cheap,")
    archive = save(tmp_path / "prices.zip", zipped({"2024.zip": zipped(members)}))
    with pytest.raises(DataError, match=r"prices.zip/2024.zip/part2.CSV, row 3: RRP is 'cheap'"):
        files.read("aemo", archive)


def test_a_changed_archive_is_parsed_again(tmp_path: Path) -> None:
    archive = save(tmp_path / "in.zip", zipped(texts()))
    cache = {"cache": str(tmp_path / "cache")}
    assert files.read("aemo", archive, **cache).price.tolist() == PRICES
    changed = {name: content.replace(b",7.0,", b",8.5,") for name, content in texts().items()}
    save(archive, zipped(changed))
    assert files.read("aemo", archive, **cache).price[7] == 8.5
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_parquet_and_spreadsheet_text_in_an_archive(tmp_path: Path) -> None:
    content = io.BytesIO()
    stamps = pd.date_range("2024-01-01", periods=3, freq="h")
    pd.DataFrame({"timestamp": stamps, "price": [1.0, 2.0, 3.0]}).to_parquet(content)
    archive = save(tmp_path / "x.zip", zipped({"prices.parquet": content.getvalue()}))
    assert files.read("table", archive, **BERLIN).price.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK", "no complete .zip archive"),
        (zipped({"x.csv": b"1" * 99})[:-30], "no complete .zip archive"),
        (zipped({"readme.md": b"x"}), "a.zip has no price file. Unpack it"),
        (zipped({}), "a.zip has no price file"),
        (zipped({"x.csv": b"x", "y.7z": b"x"}), "a.zip has y.7z, which cannot be read. Unpack it"),
        (zipped({"../x.csv": b"x"}), r"a.zip: the name '../x.csv' is no place within the archive"),
        (zipped({"/etc/x.csv": b"x"}), r"the name '/etc/x.csv' is no place within"),
        (zipped({"a/x.csv": b"x", "a//x.csv": b"y"}), "the name 'a//x.csv' occurs twice"),
        (zipped({"x.csv": b"0" * (70 << 20)}), "a.zip/x.csv unpacks to far more than prices do"),
        (
            zipped({"a.zip": zipped({"b.zip": zipped({"c.zip": zipped({"x.csv": b"x"})})})}),
            "a.zip/a.zip/b.zip/c.zip: archives within each other more than 3 deep",
        ),
    ],
    # An archive holds the time at which it was made, which differs between the processes that run the tests.
    ids=itertools.count(),
)
def test_archives_that_cannot_be_read_or_are_a_danger(tmp_path: Path, content: bytes, message: str) -> None:
    archive = save(tmp_path / "a.zip", content)
    with pytest.raises(DataError, match=message):
        files.read("aemo", archive)


def test_archives_have_a_bounded_size_and_number_of_files(tmp_path: Path) -> None:
    archive = save(tmp_path / "a.zip", zipped({f"{i}.csv": b"x" * 1000 for i in range(20)}))
    assert len(archive_members(archive, Limits(members=20))) == 20
    with pytest.raises(DataError, match="a.zip has 20 files, more than 19. Unpack it"):
        archive_members(archive, Limits(members=19))
    with pytest.raises(DataError, match="a.zip unpacks to more than 200,000 files or 0 MiB"):
        archive_members(archive, Limits(unpacked_mib=0))
    nested = save(
        tmp_path / "b.zip", zipped({f"{i}.zip": zipped({f"{k}.csv": b"x" for k in range(5)}) for i in range(5)})
    )
    assert len(archive_members(nested, Limits(members=25))) == 25
    with pytest.raises(DataError, match="b.zip unpacks to more than 24 files"):
        archive_members(nested, Limits(members=24))
    with pytest.raises(DataError, match="b.zip/0.zip is larger than 0 MiB"):
        archive_members(nested, Limits(nested_mib=0))


def test_a_gzip_that_unpacks_to_far_more_than_prices_do(tmp_path: Path) -> None:
    file = save(tmp_path / "a.csv.gz", gzip.compress(b"x" * (2 << 20)))
    with open_file(file) as stream:
        assert len(stream.read()) == 2 << 20
    with open_file(file, Limits(ratio_from_mib=1)) as stream, pytest.raises(DataError, match="a.csv.gz unpacks to far"):
        stream.read()


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"x.csv": b"x"}, zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    with pytest.raises(DataError, match="a.zip/x.csv is encrypted. Unpack the archive with its password"):
        files.read("aemo", save(tmp_path / "a.zip", bytes(content)))


def test_text_that_is_held_as_a_whole_is_bounded(tmp_path: Path) -> None:
    file = save(tmp_path / "a.csv.gz", gzip.compress(b"x" * (1 << 20)))
    assert len(read_whole(file, Limits(text_mib=1))) == 1 << 20
    save(file, gzip.compress(b"x" * (1 << 20) + b"x"))
    with pytest.raises(DataError, match="a.csv.gz has more than 1 MiB of text. Split it into files of a month"):
        read_whole(file, Limits(text_mib=1))


def test_archives_are_closed_once_a_market_is_read(tmp_path: Path) -> None:
    archive = save(tmp_path / "prices.zip", zipped(texts()))
    files.read("aemo", archive)
    places = [Path("/proc/self/fd") / number for number in os.listdir("/proc/self/fd")]
    assert str(archive) not in [os.readlink(place) for place in places if place.exists()]
