"""What goes to S3 before a job: the lab's source once, data once a digest, and each trial as a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import battery_lab
from battery_lab.common.errors import DataError
from battery_lab.sweep.trial_id import contents_digest
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.s3_layout import Places, split

ENTRY = "sagemaker_entry.py"
LARGEST_DATA_BYTES = 50 << 30
PACKAGE, LAUNCHERS = Path(battery_lab.__file__).parent, Path(__file__).parents[2]
MARK = ".whole"  # the last of a folder's files


class Staging:
    """Uploads of a sweep, none of them twice."""

    def __init__(self, connection: Connection, places: Places, dry: bool = False) -> None:
        """Remember where.

        Args:
            connection: to AWS.
            places: of the sweep.
            dry: whether nothing is uploaded, and only told where it would lie.
        """
        self._dry, self._marks = dry, dict[str, str]()
        self._connection, self._places = connection, places
        self._extra = places.extra

    def source(self) -> str:
        """Upload the lab, its choices and the entry of a job, unless the same lies there; returns the URI."""
        content = source_archive()
        uri = self._places.source(hashlib.sha256(content).hexdigest()[:16])
        if not self._there(uri):
            self._put(uri, content)
        return uri

    def data(self, paths: Sequence[Path]) -> str:
        """Upload files of one folder, or all of a folder, unless the same lie there; returns the URI of their folder.

        Raises:
            DataError: they are too large.
        """
        whole = [path.resolve() for path in paths]
        base = whole[0] if whole[0].is_dir() else whole[0].parent
        files = sorted(
            file for path in whole for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()
        )
        size = sum(file.stat().st_size for file in files)
        if size > LARGEST_DATA_BYTES:
            raise DataError(
                f"{base} holds {size >> 30} GiB, more than the {LARGEST_DATA_BYTES >> 30} that are sent: put it into "
                "S3 by other means and name it as s3://<bucket>/<prefix>"
            )
        # With their names, by which a job finds them.
        digests = " ".join(f"{path.name} {contents_digest(path)}" for path in whole)
        folder = self._places.data(hashlib.sha256(digests.encode()).hexdigest()[:32])
        if not self._there(f"{folder}/{MARK}"):
            for file in files:
                bucket, key = split(f"{folder}/files/{file.relative_to(base)}")
                self._connection.s3.upload_file(str(file), bucket, key, ExtraArgs=self._extra)
            # Not before all are there: a kill amid them leaves a folder that is filled again.
            self._put(f"{folder}/{MARK}", b"")
        return f"{folder}/files"

    def mark(self, uri: str | None) -> str:
        """Return a digest of what lies in S3 under an address; empty for a place elsewhere.

        Raises:
            DataError: nothing does.
        """
        if self._dry or uri is None or not uri.startswith("s3://"):
            return ""
        if uri not in self._marks:
            bucket, key = split(uri)
            pages = self._connection.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            told = [f"{one['Key']} {one['ETag']}" for page in pages for one in page.get("Contents", [])]
            if not told:
                raise DataError(f"{uri} must be an object of S3 or a folder there, and there is nothing")
            self._marks[uri] = hashlib.sha256("\n".join(told).encode()).hexdigest()
        return self._marks[uri]

    def trial(self, number: int, job: str, files: dict[str, bytes]) -> str:
        """Upload the files of a trial's job, but for those that are there; returns the URI of their folder.

        What a request that was thought lost has sent stays, as its job may be reading it.
        """
        folder = self._places.trial(number, job)
        for name, content in files.items():
            if not self._there(f"{folder}/{name}"):
                self._put(f"{folder}/{name}", content)
        return folder

    def _there(self, uri: str) -> bool:
        if self._dry:
            return True
        bucket, key = split(uri)
        # Not by its head, whose absence S3 tells only to those who may list the whole bucket.
        told = self._connection.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(one["Key"] == key for one in told.get("Contents", []))

    def _put(self, uri: str, content: bytes) -> None:
        if self._dry:
            return
        bucket, key = split(uri)
        self._connection.s3.put_object(Bucket=bucket, Key=key, Body=content, **self._extra)


def source_archive() -> bytes:
    """Return the lab and the entry of a job as the archive that the toolkit unpacks, the same for the same files."""
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
    """Yield the names in the archive, and the files."""
    for file in PACKAGE.rglob("*"):
        if file.suffix in (".py", ".html", ".yaml") and "__pycache__" not in file.parts:
            yield f"battery_lab/{file.relative_to(PACKAGE)}", file
    choices = PACKAGE.parent / "conf"
    # Beside the package, but inside it where it was installed from a wheel.
    if choices.is_dir() and not (PACKAGE / "conf").is_dir():
        yield from ((f"conf/{file.relative_to(choices)}", file) for file in choices.rglob("*.yaml"))
    jobs = LAUNCHERS / "sagemaker_jobs"
    yield from ((f"sagemaker_jobs/{file.relative_to(jobs)}", file) for file in jobs.rglob("*.py"))
    yield ENTRY, LAUNCHERS / ENTRY
