"""Transfers between the hosts of a job and S3: channels, checkpoints and artifacts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download(s3: Any, uri: str, folder: Path, *, share: tuple[int, int] = (0, 1)) -> int:
    """Download all objects whose keys start with a prefix.

    Args:
        s3: boto3 client.
        uri: the URI of the prefix, or of a single object.
        folder: the folder for the objects, which are named by the rest of their keys.
        share: index of this host, and number of hosts that share the objects.

    Returns:
        The number of objects, including those of other hosts.
    """
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = sorted(each["Key"] for page in pages for each in page.get("Contents", []) if not each["Key"].endswith("/"))
    for key in keys[share[0] :: share[1]]:
        path = folder / (key.removeprefix(prefix).lstrip("/") or Path(key).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
    return len(keys)


class CheckpointCopy:
    """Copies a folder of a host to S3: whole files, each after it has changed."""

    def __init__(self, s3: Any, folder: Path, uri: str) -> None:
        """Store the folder.

        Args:
            s3: boto3 client.
            folder: the folder of a host.
            uri: the URI of the copies.
        """
        self._s3, self._folder, self._uri = s3, folder, uri
        self._copied: dict[Path, tuple[int, int, int]] = {}

    def restore(self) -> None:
        """Download what is in S3 to the folder; it is not copied back."""
        download(self._s3, f"{self._uri.rstrip('/')}/", self._folder)
        self._copied = {path: _version(path) for path in self._folder.rglob("*") if path.is_file()}

    def copy(self) -> None:
        """Copy changed files, in no particular order; a file that changes meanwhile is copied next time."""
        bucket, key = split_uri(self._uri.rstrip("/"))
        for path, version in self._changed():
            try:
                content = path.read_bytes()
                if _version(path) != version:
                    continue
            except FileNotFoundError:
                continue
            name = path.relative_to(self._folder).as_posix()
            self._s3.put_object(Bucket=bucket, Key=f"{key}/{name}".lstrip("/"), Body=content)
            self._copied[path] = version

    def _changed(self) -> list[tuple[Path, tuple[int, int, int]]]:
        changed = []
        for path in self._folder.rglob("*"):
            try:
                version = _version(path)
            except FileNotFoundError:
                continue
            if path.is_file() and self._copied.get(path) != version:
                changed.append((path, version))
        # A file that marks others as complete may be copied before them: jobs must not rely on the order.
        return sorted(changed, reverse=True)


def upload_artifact(s3: Any, folders: Iterable[Path], uri: str, *, packed: bool) -> bool:
    """Upload the content of folders to S3.

    Args:
        s3: boto3 client.
        folders: that are merged; of files with equal names the first is used.
        uri: the URI of the archive, or the prefix of the files.
        packed: whether to upload one archive instead of one object per file.

    Returns:
        Whether there were any files.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            files.setdefault(path.relative_to(folder).as_posix(), path)
    bucket, key = split_uri(uri)
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


def _version(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
