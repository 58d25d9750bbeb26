"""Run of a job: its life cycle from Starting to its end, with stops, lost instances and retries."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from sagemaker_emulator.capacity_and_clients import EmulatorState
from sagemaker_emulator.experiments.job_component import JobComponent
from sagemaker_emulator.job_state import NO_CAPACITY, Job, now
from sagemaker_emulator.training.host import Host
from sagemaker_emulator.training.host_log_and_metrics import HostLog
from sagemaker_emulator.training.s3_transfer import CheckpointCopy, download, upload_artifact

_POLL_S = 0.05
_FAILURE_CHARACTERS = 1024
_DEFAULT_RUN_S = 86400
_INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


@dataclass(frozen=True)
class _Outcome:
    """The outcome of a job."""

    status: str
    secondary: str | None = None  # if it differs from the status
    failure: str | None = None


class _EarlyEndError(Exception):
    """The job ends before it has any results."""

    def __init__(self, outcome: _Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class JobRun:
    """Runs a job in a thread."""

    def __init__(self, job: Job, shared: EmulatorState, component: JobComponent | None) -> None:
        """Start the thread.

        Args:
            job: with the secondary status Starting.
            shared: shared state of all jobs.
            component: the component of the job in an experiment; None without one.
        """
        self._job, self._shared, self._component = job, shared, component
        self._clients = shared.clients(job.region)
        self._hosts: list[Host] = []
        self._logs: list[HostLog] = []
        self._copies: list[CheckpointCopy] = []
        self._points: list[tuple[str, float, datetime]] = []
        self._copied_at = time.monotonic()
        self._folder = shared.work / "jobs" / job.region / job.name

        self._thread = threading.Thread(target=self._run, name=job.name, daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether the job has finished."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        """Run the job to its end."""
        try:
            outcome = self._attempts()
        except _EarlyEndError as error:
            outcome = error.outcome
        except Exception:
            logging.getLogger(__name__).exception("job %s", self._job.name)
            outcome = _Outcome("Failed", failure=_INTERNAL)
        finally:
            self._kill()
        if self._component:
            self._component.end(outcome.status, outcome.failure, self._points)
        self._job.end(outcome.status, outcome.secondary, outcome.failure)

    def _attempts(self) -> _Outcome:
        """Train on new instances until they are not lost; returns the outcome."""
        retries = (self._job.request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
        number = 0
        while True:
            number += 1
            self._wait_for_instances()
            try:
                outcome = self._attempt(number)
            finally:
                self._shared.capacity.release(self._job)
            if outcome is not None:
                return outcome
            if self._job.interruption == "internal":
                if not retries:
                    return _Outcome("Failed", failure=_INTERNAL)
                retries -= 1
                self._job.move("Restarting")
            else:
                self._job.move("Interrupted")
            self._job.interruption = None
            self._job.move("Starting")

    def _wait_for_instances(self) -> None:
        while not self._shared.capacity.take(self._job):
            self._job.move("Starting", NO_CAPACITY)
            if self._job.stop.wait(_POLL_S):
                raise _EarlyEndError(_Outcome("Stopped"))
            self._check_open()
            if self._waited_too_long():
                raise _EarlyEndError(_Outcome("Stopped", "MaxWaitTimeExceeded"))

    def _attempt(self, number: int) -> _Outcome | None:
        """Train on one set of instances; returns None if they were lost."""
        started = time.monotonic()
        self._job.started = self._job.started or now()
        trained = self._job.trained_s
        try:
            if not self._job.stop.is_set():
                self._job.move("Downloading")
                self._prepare(number)
            if not self._job.stop.is_set():
                self._job.move("Training")
                self._start()
            limit = self._train(started - trained)
            if self._job.interruption:
                return None
            return self._finish(limit)
        finally:
            self._kill()
            self._job.trained_s = trained + time.monotonic() - started
            self._clear()

    def _prepare(self, number: int) -> None:
        """Create the hosts with their channels and checkpoints."""
        for group in self._job.groups:
            for index, name in enumerate(group.hosts):
                host = Host(self._job, group, name, self._folder / str(number) / name)
                self._hosts.append(host)
                self._download(host, (index, len(group.hosts)))
                if uri := self._job.checkpoints:
                    self._copies.append(CheckpointCopy(self._clients.s3, host.checkpoints, uri))
                    self._copies[-1].restore()

    def _download(self, host: Host, host_share: tuple[int, int]) -> None:
        for channel in host.channels:
            source = channel["DataSource"]["S3DataSource"]
            shared = source.get("S3DataDistributionType") == "ShardedByS3Key"
            folder = host.base / "input" / "data" / channel["ChannelName"]
            folder.mkdir()
            share = host_share if shared else (0, 1)
            if not download(self._clients.s3, source["S3Uri"], folder, share=share):
                reason = (
                    f'ClientError: Data download failed:No S3 objects found under S3 URL "{source["S3Uri"]}" '
                    "given in input data source. Please ensure that the bucket exists in the selected region "
                    f"({self._job.region}), that objects exist under that S3 prefix, and that the role "
                    f'"{self._job.request["RoleArn"]}" has "s3:ListBucket" permissions on it.'
                )
                raise _EarlyEndError(_Outcome("Failed", failure=reason))

    def _start(self) -> None:
        variables = self._shared.user.environment(self._shared.endpoint_url, self._job.region)
        variables |= {
            "S3_ENDPOINT_URL": self._shared.endpoint_url,  # for the toolkit, whose client reads no other variable
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
        }
        for host in self._hosts:
            reading = host.start(variables, self._shared.options.isolation)
            self._logs.append(HostLog(self._job, host.name, reading, self._clients.logs, self._clients.cloudwatch))

    def _train(self, started: float) -> str | None:
        """Wait for the end of the hosts, or of the job's time.

        Args:
            started: the start by the monotonic clock, minus the time that earlier instances trained.

        Returns:
            The secondary status that names an exceeded time limit; None if none was exceeded.
        """
        while self._running():
            limit = self._exceeded_limit(started)
            if self._job.stop.is_set() or limit:
                self._stop(self._shared.options.grace)
                return None if self._job.stop.is_set() else limit
            if self._job.interruption:
                self._stop(self._job.warning_s)
            elif any(host.status for host in self._hosts):
                self._stop(self._shared.options.grace)
            else:
                self._pause()
        return None

    def _stop(self, grace_s: float) -> None:
        """Send SIGTERM, continue to copy checkpoints, and kill what is left after a number of seconds."""
        if grace_s:
            end = time.monotonic() + grace_s
            for host in self._hosts:
                host.terminate()
            while self._running() and time.monotonic() < end:
                self._pause()
            if not self._running():
                self._copy()
        self._kill()

    def _pause(self) -> None:
        """Wait for one poll interval, and copy checkpoints if they are due."""
        self._shared.closing.wait(_POLL_S)
        self._check_open()
        if time.monotonic() - self._copied_at >= self._shared.options.upload_every:
            self._copy()

    def _exceeded_limit(self, started: float) -> str | None:
        limits = self._job.request["StoppingCondition"]
        if time.monotonic() - started > limits.get("MaxRuntimeInSeconds", _DEFAULT_RUN_S):
            return "MaxRuntimeExceeded"
        return "MaxWaitTimeExceeded" if self._waited_too_long() else None

    def _finish(self, limit: str | None) -> _Outcome:
        """Upload the results of the job; returns its outcome."""
        self._wait_for_logs()
        stopped = self._job.stop.is_set()
        failed = [host for host in self._hosts if host.status]
        self._job.move("Uploading")
        self._copy()
        self._upload(with_model=bool(not failed or stopped or limit))
        if stopped:
            return _Outcome("Stopped")
        if limit:
            return _Outcome("Stopped", limit)
        if failed:
            return _Outcome("Failed", failure=_failure(failed[0]))
        return _Outcome("Completed")

    def _upload(self, *, with_model: bool) -> None:
        output = self._job.request["OutputDataConfig"]
        packed = output.get("CompressionType", "GZIP") == "GZIP"
        prefix = f"{output['S3OutputPath'].rstrip('/')}/{self._job.name}/output/"
        bases = [host.base for host in self._hosts]
        # The service uploads an empty model.tar.gz, but no empty output.tar.gz.
        data = [base / "output" / "data" for base in bases]
        if any(any(folder.iterdir()) for folder in data):
            upload_artifact(self._clients.s3, data, prefix + ("output.tar.gz" if packed else "data/"), packed=packed)
        if with_model and bases:
            uri = prefix + ("model.tar.gz" if packed else "model/")
            upload_artifact(self._clients.s3, [base / "model" for base in bases], uri, packed=packed)
            self._job.artifacts = uri

    def _copy(self) -> None:
        for copy in self._copies:
            copy.copy()
        self._copied_at = time.monotonic()

    def _running(self) -> bool:
        return any(host.running for host in self._hosts)

    def _kill(self) -> None:
        for host in self._hosts:
            host.kill()

    def _wait_for_logs(self) -> None:
        for log in self._logs:
            log.wait()
            self._points += log.points
        self._logs.clear()

    def _clear(self) -> None:
        self._wait_for_logs()
        for host in self._hosts:
            host.remove()
        self._hosts.clear()
        self._copies.clear()

    def _check_open(self) -> None:
        if self._shared.closing.is_set():
            raise _EarlyEndError(_Outcome("Failed", failure=_INTERNAL))

    def _waited_too_long(self) -> bool:
        """Whether the job takes too long, waiting for instances included."""
        limit_s = self._job.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        return limit_s is not None and (now() - self._job.created).total_seconds() > limit_s


def _failure(host: Host) -> str:
    """Return the failure reason for a host: its failure file, cut to the service's limit, and the exit code."""
    suffix = f", exit code: {host.status}"
    return f"AlgorithmError: {host.failure.strip()}"[: _FAILURE_CHARACTERS - len(suffix)] + suffix
