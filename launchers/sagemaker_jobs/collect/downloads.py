"""Downloads of what jobs leave in S3 and in logs, into the folders of their trials: as if the trials had run here."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.atomic_write import atomic_path, atomic_write, replace_path
from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder
from battery_lab.sweep.trial_folder import checkpoint_steps
from sagemaker_jobs.aws.cloudwatch_logs import log_streams, read_log_lines
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.errors import error_code
from sagemaker_jobs.aws.s3_layout import S3Layout, split_uri
from sagemaker_jobs.collect.job_bills import bill_totals, read_bills
from sagemaker_jobs.collect.output_archive import MAX_FILES, unpack

PART = ".part-"
MAX_CHECKPOINT_BYTES = 1 << 30


class Downloads:
    """Downloads the results of jobs."""

    def __init__(self, connection: Connection, layout: S3Layout, evaluated_run: Path | None = None) -> None:
        """Store where results are.

        Args:
            connection: the connection to AWS.
            layout: the layout of the sweep in S3.
            evaluated_run: local run folder whose policy the jobs evaluate; None if they train.
        """
        self._connection, self._layout, self._evaluated_run = connection, layout, evaluated_run

    def curves(self, folder: Path, number: int, digest: str) -> None:
        """Download the curves of a running job, as far as the service has saved them."""
        saved = self._layout.checkpoint(number, digest)
        if saved is None:
            return
        bucket, key = split_uri(f"{saved}/{number}/{RunFolder.CURVES}")
        try:
            content = self._connection.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            # S3 denies access to an object that does not exist to users who may not list the whole bucket.
            if error_code(error) in ("NoSuchKey", "404", "AccessDenied", "403"):
                return
            raise
        atomic_write(RunFolder(folder).curves, content)

    def results(self, folder: Path, description: Mapping[str, Any]) -> None:
        """Download the run folder of a completed job; its metrics are written last.

        Args:
            folder: the folder of the trial.
            description: the service's answer to DescribeTrainingJob.

        Raises:
            DataError: the output is missing, damaged, or not of a job of the lab.
        """
        for unfinished in folder.glob(f"{PART}*"):
            shutil.rmtree(unfinished)
        # The job's own output path may differ from that of new jobs.
        output_path = str(description["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        output = f"{output_path}/{description['TrainingJobName']}/output/output.tar.gz"
        with tempfile.TemporaryDirectory(prefix=PART, dir=folder) as scratch:
            archive = Path(scratch) / "output.tar.gz"
            self._download(output, archive)
            run = RunFolder(unpack(archive, Path(scratch) / "run"))
            if not run.metrics.is_file():
                raise DataError(f"the job {description['TrainingJobName']} completed without {run.METRICS} in {output}")
            # The job has gone past the checkpoints of an earlier attempt on this machine.
            shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)
            for name in (*RunFolder.RESULTS, RunFolder.SYNC_STATE):
                if name not in (RunFolder.METRICS, RunFolder.CHECKPOINTS) and (run.path / name).exists():
                    replace_path(run.path / name, folder / name)
            # Uses of the test period count for the evaluated run, too.
            for looked_at in filter(None, (folder, self._evaluated_run)):
                _add_lines(run.test_looks, RunFolder(looked_at).test_looks)
            metrics = json.loads(run.metrics.read_text()) | bill_totals(read_bills(folder))
            atomic_write(RunFolder(folder).metrics, json.dumps(metrics, indent=2))

    def checkpoint(self, folder: Path, number: int, digest: str) -> None:
        """Download the newest checkpoint, from which a local run can resume, unless it is large."""
        saved = self._layout.checkpoint(number, digest)
        if saved is None:
            return
        bucket, prefix = split_uri(f"{saved}/{number}/{RunFolder.CHECKPOINTS}/")
        pages = self._connection.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        sizes = {each["Key"].removeprefix(prefix): each["Size"] for page in pages for each in page.get("Contents", [])}
        newest = max((step for name in sizes if (step := name.partition("/")[0]).isdigit()), default=None)
        if newest is None:
            return
        sizes = {name: size for name, size in sizes.items() if name.startswith(f"{newest}/")}
        if sum(sizes.values()) > MAX_CHECKPOINT_BYTES or len(sizes) > MAX_FILES:
            print(f"trial {number}: its checkpoint is large and stays in s3://{bucket}/{prefix}{newest}", flush=True)
            return
        with tempfile.TemporaryDirectory(prefix=PART, dir=folder) as scratch:
            checkpoints = RunFolder(Path(scratch)).checkpoints.resolve()
            for name in sizes:
                path = checkpoints / name
                if not path.resolve().is_relative_to(checkpoints):
                    raise DataError(f"s3://{bucket}/{prefix}{name} is not the name of a file in a checkpoint")
                path.parent.mkdir(parents=True, exist_ok=True)
                self._connection.s3.download_file(bucket, f"{prefix}{name}", str(path))
            if checkpoint_steps(Path(scratch)) is not None:
                replace_path(checkpoints, RunFolder(folder).checkpoints)

    def log(self, folder: Path, job: str) -> None:
        """Download what a job printed, host after host; jobs in local mode print here."""
        if self._connection.local:
            return
        with atomic_path(RunFolder(folder).log) as part, part.open("w") as file:
            for stream in log_streams(self._connection, job):
                file.write(f"--- {stream}\n")
                file.writelines(f"{line}\n" for line in read_log_lines(self._connection, stream)[0])

    def _download(self, uri: str, path: Path) -> None:
        bucket, key = split_uri(uri)
        try:
            self._connection.s3.download_file(bucket, key, str(path))
        except Exception as error:
            if error_code(error) in ("404", "NoSuchKey"):
                raise DataError(f"the job completed, but {uri} does not exist: was it deleted?") from None
            raise


def _add_lines(source: Path, target: Path) -> None:
    """Append the lines of a file that another does not contain."""
    if source.is_file():
        known = target.read_text().splitlines() if target.is_file() else []
        new = [line for line in source.read_text().splitlines() if line not in known]
        with target.open("a") as file:
            file.writelines(f"{line}\n" for line in new)
