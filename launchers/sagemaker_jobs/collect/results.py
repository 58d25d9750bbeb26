"""What a job leaves, brought into the folder of its trial: as if the trial had run here."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_path, atomic_write
from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder
from battery_lab.sweep.trial_folder import checkpoint_steps
from sagemaker_jobs.aws.connection import Connection, code_of
from sagemaker_jobs.aws.logs import lines, streams
from sagemaker_jobs.aws.s3_layout import Places, split

JOB, LOG, PART = "job.json", "trial.log", ".part-"
LARGEST_BYTES, MOST_FILES = 4 << 30, 10_000
LARGEST_CHECKPOINT_BYTES = 1 << 30
FIGURES = ("billable_seconds", "training_seconds", "cost", "saved")


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a job came to.

    Attributes:
        name: of the job.
        arn: of the job.
        status: as the service says it.
        reason: why it failed, if it did.
        training_seconds: that it ran.
        billable_seconds: that are paid for, of each host.
        cost: in ``currency``; None where a price is not known.
        saved: by spare capacity, likewise.
        currency: of both.
    """

    name: str
    arn: str
    status: str
    reason: str | None
    training_seconds: float
    billable_seconds: float
    cost: float | None
    saved: float | None
    currency: str


class Home:
    """Brings what jobs leave into the folders of trials."""

    def __init__(self, connection: Connection, places: Places, judged: Path | None = None) -> None:
        """Remember the way.

        Args:
            connection: to AWS.
            places: of the sweep in S3.
            judged: run folder here whose policy the jobs judge, if that is what they do.
        """
        self._connection, self._places, self._judged = connection, places, judged

    def curves(self, folder: Path, number: int, who: str) -> None:
        """Bring the curves of a job that trains, as far as the service has saved them."""
        kept = self._places.checkpoint(number, who)
        if kept is None:
            return
        bucket, key = split(f"{kept}/{number}/{RunFolder.CURVES}")
        try:
            content = self._connection.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            # Also where there is none yet, for those who may not list the whole bucket.
            if code_of(error) in ("NoSuchKey", "404", "AccessDenied", "403"):
                return
            raise
        atomic_write(folder / RunFolder.CURVES, content)

    def results(self, folder: Path, told: Mapping[str, Any]) -> None:
        """Bring what a job which completed has left; its figures come last.

        Args:
            folder: of the trial.
            told: what the service says of the job.

        Raises:
            DataError: what it left is not whole, or not what a job of the lab leaves.
        """
        for torn in folder.glob(f"{PART}*"):
            shutil.rmtree(torn)
        # Where it was told to, which need not be where jobs of today are.
        kept = str(told["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        output = f"{kept}/{told['TrainingJobName']}/output/output.tar.gz"
        with tempfile.TemporaryDirectory(prefix=PART, dir=folder) as scratch:
            place = Path(scratch)
            self._fetch(output, place / "output.tar.gz")
            run = RunFolder(unpack(place / "output.tar.gz", place / "run"))
            if not run.metrics.is_file():
                raise DataError(
                    f"the job {told['TrainingJobName']} has completed and left no {run.METRICS} in {output}"
                )
            # Those of an earlier try here are of a place past which the job has gone.
            shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)
            for name in (*RunFolder.RESULTS, RunFolder.SYNC_STATE):
                if name not in (RunFolder.METRICS, RunFolder.CHECKPOINTS):
                    _replace(run.path / name, folder / name)
            # Each look at test time counts, also one from elsewhere.
            for place in filter(None, (folder, self._judged)):
                add_lines(run.test_looks, RunFolder(place).test_looks)
            figures = json.loads(run.metrics.read_text())
            figures |= summed(bills(folder))
            atomic_write(RunFolder(folder).metrics, json.dumps(figures, indent=2))

    def checkpoint(self, folder: Path, number: int, who: str) -> None:
        """Bring the newest checkpoint, from which a run here can go on, unless it is large; older ones stay in S3."""
        kept = self._places.checkpoint(number, who)
        if kept is None:
            return
        bucket, key = split(f"{kept}/{number}/{RunFolder.CHECKPOINTS}/")
        pages = self._connection.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        there = [(one["Key"].removeprefix(key), one["Size"]) for page in pages for one in page.get("Contents", [])]
        names = {name.partition("/")[0] for name, _ in there}
        newest = max((name for name in names if name.isdigit()), default=None)
        files = [(name, size) for name, size in there if name.startswith(f"{newest}/")]
        if newest is None:
            return
        if sum(size for _, size in files) > LARGEST_CHECKPOINT_BYTES or len(files) > MOST_FILES:
            print(f"trial {number}: its checkpoint is large and stays in s3://{bucket}/{key}{newest}", flush=True)
            return
        with tempfile.TemporaryDirectory(prefix=PART, dir=folder) as scratch:
            place = (Path(scratch) / RunFolder.CHECKPOINTS).resolve()
            for name, _ in files:
                path = place / name
                if not path.resolve().is_relative_to(place):
                    raise DataError(f"s3://{bucket}/{key}{name} is no name of a file in a checkpoint")
                path.parent.mkdir(parents=True, exist_ok=True)
                self._connection.s3.download_file(bucket, f"{key}{name}", str(path))
            if checkpoint_steps(Path(scratch)) is not None:
                _replace(place, folder / RunFolder.CHECKPOINTS)

    def note(self, folder: Path, cost: Bill) -> None:
        """Write what a job came to into the folder of its trial, beside what its other jobs did."""
        others = [bill for bill in bills(folder) if bill["name"] != cost.name]
        atomic_write(folder / JOB, json.dumps([*others, asdict(cost)], indent=2).encode())

    def log(self, folder: Path, name: str) -> None:
        """Bring what a job printed, host after host; local ones print here."""
        if self._connection.local:
            return
        with atomic_path(folder / LOG) as part, part.open("w") as file:
            for stream in streams(self._connection, name):
                file.write(f"--- {stream}\n")
                file.writelines(f"{line}\n" for line in lines(self._connection, stream))

    def _fetch(self, uri: str, path: Path) -> None:
        bucket, key = split(uri)
        try:
            self._connection.s3.download_file(bucket, key, str(path))
        except Exception as error:
            if code_of(error) in ("404", "NoSuchKey"):
                raise DataError(f"the job has completed, and there is no {uri}: was it deleted?") from None
            raise


def add_lines(source: Path, target: Path) -> None:
    """Add those lines of a file to another that it does not have."""
    if source.is_file():
        known = target.read_text().splitlines() if target.is_file() else []
        new = [line for line in source.read_text().splitlines() if line not in known]
        with target.open("a") as file:
            file.writelines(f"{line}\n" for line in new)


def bills(folder: Path) -> list[dict[str, Any]]:
    """Return what each job of a trial came to, in the order in which they came home."""
    try:
        found: Any = json.loads((folder / JOB).read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def summed(told: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return what the jobs of a trial came to together, as figures of it; None where one's is not known."""
    sums: dict[str, float | None] = {"job/attempts": float(len(told))}
    for name in FIGURES:
        values = [bill.get(name) for bill in told]
        sums[f"job/{name}"] = None if None in values else sum(float(value or 0) for value in values)
    return sums


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack what a job left, within bounds and never outside of the folder; returns where the run is.

    Raises:
        DataError: it is no such archive, or breaks a bound.
    """
    folder.mkdir(parents=True)
    size = count = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                size, count = size + member.size, count + 1
                if size > LARGEST_BYTES or count > MOST_FILES:
                    raise DataError(f"{archive.name} holds more than {LARGEST_BYTES >> 30} GiB or {MOST_FILES} files")
                if not (member.isfile() or member.isdir()):
                    continue
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from None
    # The SDK's local mode packs the folder above, too.
    return folder / "data" if (folder / "data" / RunFolder.METRICS).is_file() else folder


def _replace(source: Path, target: Path) -> None:
    if not source.exists():
        return
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)
