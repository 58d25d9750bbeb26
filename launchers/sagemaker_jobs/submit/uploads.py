"""Uploads to S3 before a job starts: the lab's source and data once per digest, and the files of each trial."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import battery_lab
from battery_lab.common.errors import DataError
from battery_lab.sweep.trial_identity import contents_digest
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.s3_layout import S3Layout, split_uri

ENTRY = "sagemaker_entry.py"
MAX_DATA_BYTES = 50 << 30
PACKAGE, LAUNCHERS = Path(battery_lab.__file__).parent, Path(__file__).parents[2]
COMPLETION_MARKER = ".whole"  # written after all other files of a folder


class Uploads:
    """Uploads of a sweep, none of them twice."""

    def __init__(self, connection: Connection, layout: S3Layout, dry_run: bool = False) -> None:
        """Store where files go.

        Args:
            connection: the connection to AWS.
            layout: the layout of the sweep in S3.
            dry_run: whether to upload nothing and only return URIs.
        """
        self._connection, self._layout, self._dry_run = connection, layout, dry_run
        self._digests: dict[str, str] = {}

    def source(self) -> str:
        """Upload the lab, its YAML and the entry point of a job, unless they are there; returns the URI."""
        content = source_archive()
        uri = self._layout.source(hashlib.sha256(content).hexdigest()[:16])
        if not self._exists(uri):
            self._put(uri, content)
        return uri

    def data(self, paths: Sequence[Path]) -> str:
        """Upload files of one folder, or a whole folder, unless they are there; returns the URI of their folder.

        Raises:
            DataError: the files are too large.
        """
        resolved = [path.resolve() for path in paths]
        base = resolved[0] if resolved[0].is_dir() else resolved[0].parent
        files = sorted(
            file for path in resolved for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()
        )
        size = sum(file.stat().st_size for file in files)
        if size > MAX_DATA_BYTES:
            raise DataError(
                f"{base} holds {size >> 30} GiB, more than the {MAX_DATA_BYTES >> 30} GiB that are uploaded: "
                "copy it to S3 by other means and name it as s3://<bucket>/<prefix>"
            )
        # Names count, because a job finds its data by them.
        digests = " ".join(f"{path.name} {contents_digest(path)}" for path in resolved)
        folder = self._layout.data(hashlib.sha256(digests.encode()).hexdigest()[:32])
        if not self._exists(f"{folder}/{COMPLETION_MARKER}"):
            for file in files:
                bucket, key = split_uri(f"{folder}/files/{file.relative_to(base)}")
                self._connection.s3.upload_file(str(file), bucket, key, ExtraArgs=self._layout.encryption)
            # After an interrupted upload this file is missing, and the folder is filled again.
            self._put(f"{folder}/{COMPLETION_MARKER}", b"")
        return f"{folder}/files"

    def content_digest(self, uri: str | None) -> str:
        """Return a digest of the objects below an S3 URI; empty for other paths.

        Raises:
            DataError: there are no objects.
        """
        if self._dry_run or uri is None or not uri.startswith("s3://"):
            return ""
        if uri not in self._digests:
            bucket, key = split_uri(uri)
            pages = self._connection.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            objects = [f"{each['Key']} {each['ETag']}" for page in pages for each in page.get("Contents", [])]
            if not objects:
                raise DataError(f"{uri} must be an object or a folder in S3, but there is nothing")
            self._digests[uri] = hashlib.sha256("\n".join(objects).encode()).hexdigest()
        return self._digests[uri]

    def trial(self, number: int, job: str, files: dict[str, bytes]) -> str:
        """Upload the files of a trial's job that are not there; returns the URI of their folder.

        Existing files are kept: a job whose creation seemed to fail may be reading them.
        """
        folder = self._layout.trial(number, job)
        for name, content in files.items():
            if not self._exists(f"{folder}/{name}"):
                self._put(f"{folder}/{name}", content)
        return folder

    def _exists(self, uri: str) -> bool:
        if self._dry_run:
            return True
        bucket, key = split_uri(uri)
        # HeadObject would answer "access denied" to users who may not list the whole bucket.
        page = self._connection.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(each["Key"] == key for each in page.get("Contents", []))

    def _put(self, uri: str, content: bytes) -> None:
        if self._dry_run:
            return
        bucket, key = split_uri(uri)
        self._connection.s3.put_object(Bucket=bucket, Key=key, Body=content, **self._layout.encryption)


def source_archive() -> bytes:
    """Return the lab and the entry point of a job as an archive for the toolkit; equal for equal files."""
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, file in sorted(_sources()):
            info = tarfile.TarInfo(name)
            data = file.read_bytes()
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _sources() -> Iterator[tuple[str, Path]]:
    """Yield the name in the archive and the path of each file."""
    for file in PACKAGE.rglob("*"):
        if file.suffix in (".py", ".html", ".yaml") and "__pycache__" not in file.parts:
            yield f"battery_lab/{file.relative_to(PACKAGE)}", file
    conf = PACKAGE.parent / "conf"
    # The folder is beside the package in a checkout, and inside the package if it was installed from a wheel.
    if conf.is_dir() and not (PACKAGE / "conf").is_dir():
        yield from ((f"conf/{file.relative_to(conf)}", file) for file in conf.rglob("*.yaml"))
    jobs = LAUNCHERS / "sagemaker_jobs"
    yield from ((f"sagemaker_jobs/{file.relative_to(jobs)}", file) for file in jobs.rglob("*.py"))
    yield ENTRY, LAUNCHERS / ENTRY
