"""What becomes of a job: from Starting to its end, through stops, lost instances and new tries."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from sagemaker_emulator.experiments.store import Component
from sagemaker_emulator.job import NO_CAPACITY, Job, now
from sagemaker_emulator.training.host import Host
from sagemaker_emulator.training.host_log import HostLog
from sagemaker_emulator.training.machine import Machine
from sagemaker_emulator.training.s3_transfer import CheckpointCopy, download, upload_artifact

_LOOK_S = 0.05
_FAILURE_CHARACTERS = 1024
_DEFAULT_RUN_S = 86400
_INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


@dataclass(frozen=True)
class _End:
    """How a job ended."""

    status: str
    secondary: str | None = None  # where it isn't the same
    failure: str | None = None


class _EarlyEndError(Exception):
    """The job ends before there is anything to write out."""

    def __init__(self, end: _End) -> None:
        super().__init__(end)
        self.end = end


class Run:
    """One job's way from Starting to its end, in a thread of its own."""

    def __init__(self, job: Job, machine: Machine, component: Component | None) -> None:
        """Begin with a job that is Starting.

        Args:
            job: the job.
            machine: what it needs of the emulator.
            component: the job in an experiment; None: it is in none.
        """
        self._job, self._machine, self._component = job, machine, component
        self._clients = machine.clients(job.region)
        self._hosts: list[Host] = []
        self._logs: list[HostLog] = []
        self._copies: list[CheckpointCopy] = []
        self._points: list[tuple[str, float, datetime]] = []
        self._copied = time.monotonic()
        self._folder = machine.work / "jobs" / job.region / job.name

        self._thread = threading.Thread(target=self._run, name=job.name, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        """Take the job to its end, whatever happens."""
        try:
            ended = self._tries()
        except _EarlyEndError as error:
            ended = error.end
        except Exception:
            logging.getLogger(__name__).exception("job %s", self._job.name)
            ended = _End("Failed", failure=_INTERNAL)
        finally:
            self._kill()
        if self._component:
            self._component.end(ended.status, ended.failure, self._points)
        self._job.end(ended.status, ended.secondary, ended.failure)

    def _tries(self) -> _End:
        """Train on ever new instances until they are not lost; returns how the job ended."""
        retries = (self._job.request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
        number = 0
        while True:
            number += 1
            self._wait_for_instances()
            try:
                ended = self._try(number)
            finally:
                self._machine.capacity.give_back(self._job)
            if ended is not None:
                return ended
            if self._job.broken == "internal":
                if not retries:
                    return _End("Failed", failure=_INTERNAL)
                retries -= 1
                self._job.move("Restarting")
            else:
                self._job.move("Interrupted")
            self._job.broken = None
            self._job.move("Starting")

    def _wait_for_instances(self) -> None:
        while not self._machine.capacity.take(self._job):
            self._job.move("Starting", NO_CAPACITY)
            if self._job.stop.wait(_LOOK_S):
                raise _EarlyEndError(_End("Stopped"))
            self._check_open()
            if self._waited_too_long():
                raise _EarlyEndError(_End("Stopped", "MaxWaitTimeExceeded"))

    def _try(self, number: int) -> _End | None:
        """Run once on one set of instances; returns None where these were lost."""
        began = time.monotonic()
        self._job.started = self._job.started or now()
        trained = self._job.trained_s
        try:
            if not self._job.stop.is_set():
                self._job.move("Downloading")
                self._prepare(number)
            if not self._job.stop.is_set():
                self._job.move("Training")
                self._start()
            late = self._train(began - trained)
            if self._job.broken:
                return None
            return self._finish(late)
        finally:
            self._kill()
            self._job.trained_s = trained + time.monotonic() - began
            self._clear()

    def _prepare(self, number: int) -> None:
        """Lay out the hosts with their channels and checkpoints."""
        for group in self._job.groups:
            for index, name in enumerate(group.hosts):
                host = Host(self._job, group, name, self._folder / str(number) / name)
                self._hosts.append(host)
                self._download(host, (index, len(group.hosts)))
                if uri := self._job.checkpoints:
                    self._copies.append(CheckpointCopy(self._clients.s3, host.checkpoints, uri))
                    self._copies[-1].restore()

    def _download(self, host: Host, place: tuple[int, int]) -> None:
        for channel in host.channels:
            source = channel["DataSource"]["S3DataSource"]
            shared = source.get("S3DataDistributionType") == "ShardedByS3Key"
            folder = host.base / "input" / "data" / channel["ChannelName"]
            folder.mkdir()
            share = place if shared else (0, 1)
            if not download(self._clients.s3, source["S3Uri"], folder, share=share):
                why = (
                    f'ClientError: Data download failed:No S3 objects found under S3 URL "{source["S3Uri"]}" '
                    "given in input data source. Please ensure that the bucket exists in the selected region "
                    f"({self._job.region}), that objects exist under that S3 prefix, and that the role "
                    f'"{self._job.request["RoleArn"]}" has "s3:ListBucket" permissions on it.'
                )
                raise _EarlyEndError(_End("Failed", failure=why))

    def _start(self) -> None:
        variables = self._machine.user.environment(self._machine.endpoint_url, self._job.region)
        variables |= {
            "S3_ENDPOINT_URL": self._machine.endpoint_url,  # for the toolkit, which makes its client by hand
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
        }
        for host in self._hosts:
            reading = host.start(variables, self._machine.options.isolation)
            self._logs.append(HostLog(self._job, host.name, reading, self._clients.logs, self._clients.cloudwatch))

    def _train(self, began: float) -> str | None:
        """Wait for the hosts, with an eye on the clock.

        Args:
            began: time of the monotonic clock, earlier by what other instances have trained.

        Returns:
            The secondary status that says which time ran out; None: none did.
        """
        while self._running():
            late = self._too_late(began)
            if self._job.stop.is_set() or late:
                self._stop(self._machine.options.grace)
                return None if self._job.stop.is_set() else late
            if self._job.broken:
                self._stop(self._job.warning_s)
            elif any(host.status for host in self._hosts):
                self._stop(self._machine.options.grace)
            else:
                self._pause()
        return None

    def _stop(self, grace_s: float) -> None:
        """Send SIGTERM, go on copying, and kill what is left after so many seconds."""
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
        """Wait a little, and copy checkpoints where it is time to."""
        self._machine.closing.wait(_LOOK_S)
        self._check_open()
        if time.monotonic() - self._copied >= self._machine.options.upload_every:
            self._copy()

    def _too_late(self, began: float) -> str | None:
        limits = self._job.request["StoppingCondition"]
        if time.monotonic() - began > limits.get("MaxRuntimeInSeconds", _DEFAULT_RUN_S):
            return "MaxRuntimeExceeded"
        return "MaxWaitTimeExceeded" if self._waited_too_long() else None

    def _finish(self, late: str | None) -> _End:
        """Write out what the job made; returns how it ended."""
        self._wait_for_logs()
        stopped = self._job.stop.is_set()
        failed = [host for host in self._hosts if host.status]
        self._job.move("Uploading")
        self._copy()
        self._upload(with_model=bool(not failed or stopped or late))
        if stopped:
            return _End("Stopped")
        if late:
            return _End("Stopped", late)
        if failed:
            return _End("Failed", failure=_failure(failed[0]))
        return _End("Completed")

    def _upload(self, *, with_model: bool) -> None:
        output = self._job.request["OutputDataConfig"]
        packed = output.get("CompressionType", "GZIP") == "GZIP"
        place = f"{output['S3OutputPath'].rstrip('/')}/{self._job.name}/output/"
        bases = [host.base for host in self._hosts]
        # The service writes no empty output.tar.gz, but always a model.
        data = [base / "output" / "data" for base in bases]
        if any(any(folder.iterdir()) for folder in data):
            upload_artifact(self._clients.s3, data, place + ("output.tar.gz" if packed else "data/"), packed=packed)
        if with_model and bases:
            uri = place + ("model.tar.gz" if packed else "model/")
            upload_artifact(self._clients.s3, [base / "model" for base in bases], uri, packed=packed)
            self._job.artifacts = uri

    def _copy(self) -> None:
        for copy in self._copies:
            copy.copy()
        self._copied = time.monotonic()

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
        if self._machine.closing.is_set():
            raise _EarlyEndError(_End("Failed", failure=_INTERNAL))

    def _waited_too_long(self) -> bool:
        """Whether the whole, with the time in which there was no instance, takes too long."""
        most_s = self._job.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        return most_s is not None and (now() - self._job.created).total_seconds() > most_s


def _failure(host: Host) -> str:
    """Return the service's words for a host's failure: as much as fits of what it wrote, and the exit code."""
    end = f", exit code: {host.status}"
    return f"AlgorithmError: {host.failure.strip()}"[: _FAILURE_CHARACTERS - len(end)] + end
