"""Archives: files in .zip and .gz archives, also in archives within archives, read in memory.

A file in an archive has the path of the archive and its name there: ``prices.zip/2024/january.csv``. Nothing of an
archive is written to disk, and archives that unpack to far more than price files do are refused.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from battery_lab.common.errors import DataError

MIB = 1 << 20
ZIP_SUFFIX, GZIP_SUFFIX = ".zip", ".gz"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may hold.

    Attributes:
        members: number of files, with those of archives in it.
        unpacked_mib: size of all files, MiB.
        nested_mib: size of an archive within an archive, MiB: it is held in memory.
        ratio: how many times its packed size a file may have, if it is larger than ``ratio_from_mib``. Prices pack to
            a tenth or a twentieth of their size.
        ratio_from_mib: the size from which ``ratio`` counts, MiB.
        depth: archives within each other.
        text_mib: size of a text file that is held in memory as a whole, MiB.
    """

    members: int = 200_000
    unpacked_mib: int = 8 * 1024
    nested_mib: int = 512
    ratio: int = 250
    ratio_from_mib: int = 64
    depth: int = 3
    text_mib: int = 256


LIMITS = Limits()


def is_zip(file: Path) -> bool:
    """Return whether a name is that of a .zip archive."""
    return file.name.lower().endswith(ZIP_SUFFIX)


def disk_file(file: Path) -> Path:
    """Return the file on disk that holds a file: the archive around it, or the file itself."""
    return next((place for place in (file, *file.parents) if place.is_file()), file)


def archive_members(archive: Path, limits: Limits = LIMITS) -> list[Path]:
    """Return the files in a .zip archive and in those within it, in the order of their names.

    Raises:
        DataError: the archive cannot be read, is encrypted, or holds more than ``limits`` allow.
    """
    members, size = [], 0
    for member, info in _walk(archive, limits, depth=1):
        members.append(member)
        size += info.file_size
        if len(members) > limits.members or size > limits.unpacked_mib * MIB:
            allowed = f"{limits.members:,} files or {limits.unpacked_mib:,} MiB"
            raise DataError(f"{archive} unpacks to more than {allowed}. Unpack it, and name the files to read")
    return sorted(members)


def archive_contents(archive: Path, limits: Limits = LIMITS) -> dict[Path, tuple[int, int]]:
    """Return the size and the CRC-32 of each file in a .zip archive and in those within it.

    Raises:
        DataError: as of :func:`archive_members`.
    """
    return {member: (info.file_size, info.CRC) for member, info in _walk(archive, limits, depth=1)}


def check_archive(content: bytes, name: str, limits: Limits = LIMITS) -> None:
    """Check the content of a .zip archive before another library unpacks it.

    Raises:
        DataError: the archive cannot be read, or unpacks to more than ``limits`` allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = _checked(archive, Path(name), limits).names.values()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{name} is no complete .zip archive: {error}. Download it again") from error
    if sum(info.file_size for info in infos) > limits.unpacked_mib * MIB:
        raise _bomb(Path(name))


def open_file(file: Path, limits: Limits = LIMITS) -> BinaryIO:
    """Open a file on disk or in an archive for reading; a name that ends in ``.gz`` is unpacked.

    Raises:
        DataError: an archive cannot be read, or unpacks to more than ``limits`` allow.
        OSError: the file cannot be read.
    """
    stream, size = _open_packed(file, limits)
    if not file.name.lower().endswith(GZIP_SUFFIX):
        return stream
    most = max(limits.ratio_from_mib * MIB, min(limits.ratio * size, limits.unpacked_mib * MIB))
    bounded: Any = _Bounded(gzip.GzipFile(fileobj=stream), file, most)
    return io.BufferedReader(bounded, MIB)


def read_whole(file: Path, limits: Limits = LIMITS) -> bytes:
    """Return all bytes of a text file, on disk or in an archive.

    Raises:
        DataError: it has more bytes than ``limits`` allow, or an archive cannot be read.
        OSError, EOFError, zlib.error: the file cannot be read.
    """
    with open_file(file, limits) as stream:
        content = stream.read(limits.text_mib * MIB + 1)
    if len(content) > limits.text_mib * MIB:
        raise DataError(f"{file} has more than {limits.text_mib} MiB of text. Split it into files of a month or a year")
    return content


def close_archives() -> None:
    """Close the archives that were read last, and give back the memory of those within others."""
    _opened.cache_clear()


class _Bounded(io.RawIOBase):
    """A stream that is an error beyond a number of bytes."""

    def __init__(self, stream: gzip.GzipFile, file: Path, most: int) -> None:
        self._stream, self._file, self._left = stream, file, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        size = self._stream.readinto(buffer)
        self._left -= size
        if self._left < 0:
            raise _bomb(self._file)
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


def _bomb(file: Path) -> DataError:
    return DataError(f"{file} unpacks to far more than prices do. Check where it comes from; if it is right, unpack it")


def _open_packed(file: Path, limits: Limits) -> tuple[BinaryIO, int]:
    """Return the bytes of a file, as they are on disk or in its archive, and their number."""
    if file.is_file():
        return file.open("rb"), file.stat().st_size
    archive, name = _place(file, limits)
    return _open_member(archive, name, file), archive.names[name].file_size


@dataclass(frozen=True)
class _Archive:
    zip: zipfile.ZipFile
    names: dict[str, zipfile.ZipInfo]


def _walk(path: Path, limits: Limits, depth: int) -> Iterator[tuple[Path, zipfile.ZipInfo]]:
    if depth > limits.depth:
        raise DataError(f"{path}: archives within each other more than {limits.depth} deep. Unpack the outer ones")
    for name, info in _archive(path, limits).names.items():
        member = path / name
        if is_zip(member):
            yield from _walk(member, limits, depth + 1)
        else:
            yield member, info


def _place(file: Path, limits: Limits) -> tuple[_Archive, str]:
    """Return the innermost archive around a file, and the name of the file in it."""
    place = disk_file(file)
    while place != file:
        archive, name = _archive(place, limits), file.relative_to(place).as_posix()
        if name in archive.names:
            return archive, name
        inner = [parent for parent in file.parents if place in parent.parents]
        nested = [parent for parent in inner if parent.relative_to(place).as_posix() in archive.names]
        place = nested[0] if nested else file
    raise FileNotFoundError(2, "No such file", str(file))


def _archive(path: Path, limits: Limits) -> _Archive:
    place = disk_file(path)
    stat = place.stat()
    return _opened(path, limits, stat.st_mtime_ns, stat.st_size, os.getpid())


# Files of one archive are read one after the other. Processes must not share an open file.
@lru_cache(maxsize=3)
def _opened(path: Path, limits: Limits, changed: int, size: int, process: int) -> _Archive:
    try:
        if path.is_file():
            return _checked(zipfile.ZipFile(path), path, limits)
        outer, name = _place(path, limits)
        if outer.names[name].file_size > limits.nested_mib * MIB:
            raise DataError(f"{path} is larger than {limits.nested_mib} MiB. Unpack the archive around it")
        with _open_member(outer, name, path) as stream:
            return _checked(zipfile.ZipFile(io.BytesIO(stream.read())), path, limits)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(f"{path} is no complete .zip archive: {error}. Download it again") from error


def _checked(archive: zipfile.ZipFile, path: Path, limits: Limits) -> _Archive:
    names: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        parts = info.filename.replace("\\", "/").split("/")
        name = "/".join(part for part in parts if part not in ("", "."))
        if ".." in parts or info.filename.startswith("/") or name in names:
            problem = "occurs twice" if name in names else "is no place within the archive"
            raise DataError(f"{path}: the name {info.filename!r} {problem}. Unpack it, and check the files")
        if info.file_size > max(limits.ratio_from_mib * MIB, limits.ratio * info.compress_size):
            raise _bomb(path / name)
        names[name] = info
    if len(names) > limits.members:
        raise DataError(f"{path} has {len(names):,} files, more than {limits.members:,}. Unpack it")
    return _Archive(archive, names)


def _open_member(archive: _Archive, name: str, file: Path) -> BinaryIO:
    info = archive.names[name]
    if info.flag_bits & 1:
        raise DataError(f"{file} is encrypted. Unpack the archive with its password")
    try:
        return archive.zip.open(info)  # type: ignore[return-value]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{file} cannot be unpacked: {error}. Download the archive again, or unpack it") from error
