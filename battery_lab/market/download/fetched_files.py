"""Fetched files: the files of a download folder, with the days and the SHA-256 of each, in `fetch.json`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from battery_lab.common.atomic_write import PREFIX, atomic_write, replace_path
from battery_lab.common.errors import DataError, damaged

MANIFEST, LOCK, PART = "fetch.json", ".fetch.lock", ".part"
Name = Annotated[str, Field(pattern=r"^\w[\w.#-]*$")]  # no path: the manifest may come from elsewhere


class Entry(BaseModel):
    """What was downloaded at once.

    Attributes:
        first: the first day that was requested.
        last: the last one.
        missing: days between them that the operator's files do not hold.
        left_out: rows between two intervals, which were left out.
        files: name of a file -> its SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date
    last: date
    missing: tuple[date, ...] = ()
    left_out: int = 0
    files: dict[Name, str]


class Manifest(BaseModel):
    """The content of ``fetch.json``: what the folder is for, and its files by period."""

    model_config = ConfigDict(extra="forbid")

    request: dict[str, str]
    entries: dict[str, Entry] = {}


class FetchedFiles:
    """The files of a download folder.

    Attributes:
        folder: the folder.
        manifest: what is in it.
    """

    def __init__(self, folder: Path, request: Mapping[str, str]) -> None:
        """Read the manifest of a folder, or begin one.

        Raises:
            DataError: the folder holds something else.
        """
        self.folder = folder
        self.manifest = _read(folder, request)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other downloads out of the folder, and remove what an interrupted one has left.

        Raises:
            DataError: another download is at work in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                self.manifest = _read(self.folder, self.manifest.request)
                for part in self.folder.glob(f"{PREFIX}*-{MANIFEST}"):
                    part.unlink()
                yield
        except Timeout as error:
            raise DataError(f"{self.folder} is in use by another download: wait for its end") from error

    @contextmanager
    def part_folder(self) -> Iterator[Path]:
        """Yield an empty folder for files that are not finished; readers of prices do not look into it."""
        part = self.folder / PART
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def is_complete(self, key: str, first: date, last: date) -> bool:
        """Return whether all files of a period are here and undamaged, and hold some days of it."""
        entry = self.manifest.entries.get(key)
        return (
            entry is not None
            and entry.first <= first
            and entry.last >= last
            and not any(first <= day <= last for day in entry.missing)
            and all(self._is_sound(name, digest) for name, digest in entry.files.items())
        )

    def add(self, key: str, entry: Mapping[str, Any], files: list[Path]) -> Entry:
        """Move finished files into the folder, replace those of an earlier download, and store their checksums."""
        digests = {file.name: _digest(file) for file in files}
        added = Entry(files=digests, **entry)
        before = self.manifest.entries.get(key)
        for file in files:
            replace_path(file, self.folder / file.name)
        for name in set(before.files if before else ()) - set(digests):
            (self.folder / name).unlink(missing_ok=True)
        self.manifest.entries[key] = added
        self.save()
        return added

    def save(self) -> None:
        """Write the manifest."""
        atomic_write(self.folder / MANIFEST, self.manifest.model_dump_json(indent=1), sync=True)

    def _is_sound(self, name: str, digest: str) -> bool:
        file = self.folder / name
        return file.is_file() and _digest(file) == digest


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(folder: Path, request: Mapping[str, str]) -> Manifest:
    path = folder / MANIFEST
    if not path.exists():
        if folder.is_file() or (folder.is_dir() and any(file.name[:1] != "." for file in folder.iterdir())):
            raise DataError(f"folder={folder} holds something else, and no {MANIFEST}: choose an empty or a new folder")
        return Manifest(request=dict(request))
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise damaged(path, error.errors()[0]["msg"], "delete it with the files beside it") from error
    if manifest.request != request:
        there, here = (json.dumps(content).strip("{}").replace('"', "") for content in (manifest.request, request))
        raise DataError(f"folder={folder} holds another download ({there}), not {here}: choose another folder")
    return manifest
