"""What a job's hosts and S3 exchange: channels, checkpoints and artifacts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of an address that begins with s3://."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download(s3: Any, uri: str, folder: Path, *, share: tuple[int, int] = (0, 1)) -> int:
    """Copy all objects whose keys begin with an address.

    Args:
        s3: client of boto3.
        uri: the address; one that names an object brings that object.
        folder: into which they go, by the rest of their keys.
        share: this host's number from 0, and how many share the objects out.

    Returns:
        How many objects there are, the others' too.
    """
    bucket, prefix = split(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = sorted(one["Key"] for page in pages for one in page.get("Contents", []) if not one["Key"].endswith("/"))
    for key in keys[share[0] :: share[1]]:
        path = folder / (key.removeprefix(prefix).lstrip("/") or Path(key).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
    return len(keys)


class CheckpointCopy:
    """A folder of a host that is copied to S3 again and again: whole files, each when it has changed."""

    def __init__(self, s3: Any, folder: Path, uri: str) -> None:
        """Begin.

        Args:
            s3: client of boto3.
            folder: of a host.
            uri: where its files go.
        """
        self._s3, self._folder, self._uri = s3, folder, uri
        self._copied: dict[Path, tuple[int, int, int]] = {}

    def restore(self) -> None:
        """Bring what lies in S3 to the folder; that needn't be copied back."""
        download(self._s3, f"{self._uri.rstrip('/')}/", self._folder)
        self._copied = {path: _mark(path) for path in self._folder.rglob("*") if path.is_file()}

    def copy(self) -> None:
        """Copy what has changed, in no order to rely on; what changes meanwhile waits for the next time."""
        bucket, key = split(self._uri.rstrip("/"))
        for path, mark in self._changed():
            try:
                content = path.read_bytes()
                if _mark(path) != mark:
                    continue
            except FileNotFoundError:
                continue
            name = path.relative_to(self._folder).as_posix()
            self._s3.put_object(Bucket=bucket, Key=f"{key}/{name}".lstrip("/"), Body=content)
            self._copied[path] = mark

    def _changed(self) -> list[tuple[Path, tuple[int, int, int]]]:
        found = []
        for path in self._folder.rglob("*"):
            try:
                mark = _mark(path)
            except FileNotFoundError:
                continue
            if path.is_file() and self._copied.get(path) != mark:
                found.append((path, mark))
        # Whoever writes a file last that says that the others are there finds it copied before them.
        return sorted(found, reverse=True)


def upload_artifact(s3: Any, folders: Iterable[Path], uri: str, *, packed: bool) -> bool:
    """Write the content of folders to S3.

    Args:
        s3: client of boto3.
        folders: whose content is put together; of equal names the first counts.
        uri: of the archive, or of what the keys begin with.
        packed: into one archive; otherwise an object a file.

    Returns:
        Whether there was any.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            files.setdefault(path.relative_to(folder).as_posix(), path)
    bucket, key = split(uri)
    if packed:
        s3.put_object(Bucket=bucket, Key=key, Body=_archive(files))
    else:
        for name, path in files.items():
            if path.is_file():
                s3.upload_file(str(path), bucket, f"{key.rstrip('/')}/{name}")
    return bool(files)


def _archive(files: dict[str, Path]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, path in files.items():
            archive.add(path, arcname=name, recursive=False)
    return content.getvalue()


def _mark(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
