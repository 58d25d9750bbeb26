"""Log and metrics of a host: its output goes to CloudWatch Logs, and metrics found in it to CloudWatch and the job."""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sagemaker_emulator.job_state import Job

GROUP = "/aws/sagemaker/TrainingJobs"
_BATCH_S = 0.25  # between batches
_MAX_CHARACTERS = 200_000  # per event; the service takes 256 KB
_MAX_EVENTS = 1000  # per batch; the service takes 10,000


class HostLog:
    """Reads a host's output in a thread, until the last process that can write has ended."""

    def __init__(self, job: Job, host: str, reading: int, logs: Any, cloudwatch: Any) -> None:
        """Start the thread.

        Args:
            job: that gets the metrics.
            host: name of the host.
            reading: file descriptor of the output, which the thread closes.
            logs: boto3 client.
            cloudwatch: boto3 client.
        """
        self.points: list[tuple[str, float, datetime]] = []
        self._job, self._reading, self._logs, self._cloudwatch = job, reading, logs, cloudwatch
        definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        self._definitions = [(each["Name"], re.compile(each["Regex"])) for each in definitions]
        self._stream = self._open(host)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the whole output is sent."""
        self._thread.join()

    def _open(self, host: str) -> str:
        """Create a log stream, named by the first second that no other stream has."""
        with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_group(logGroupName=GROUP)
        second = int(time.time())
        while True:
            name = f"{self._job.name}/{host}-{second}"
            try:
                self._logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
                return name
            except self._logs.exceptions.ResourceAlreadyExistsException:
                second += 1

    def _run(self) -> None:
        try:
            self._read()
        except Exception:  # the output must be read to its end, or the job would block
            logging.getLogger(__name__).exception("log of %s", self._job.name)
            while os.read(self._reading, 1 << 16):
                pass
        finally:
            os.close(self._reading)

    def _read(self) -> None:
        lines: list[tuple[datetime, str]] = []
        remainder, ended, sent_at = b"", False, time.monotonic()
        while not ended:
            if select.select([self._reading], [], [], _BATCH_S)[0]:
                data = os.read(self._reading, 1 << 16)
                ended = not data
                *complete, remainder = (remainder + data).split(b"\n")
                complete += [remainder] if ended and remainder else []
                timestamp = datetime.now(UTC)
                lines += [(timestamp, line.decode(errors="replace").rstrip("\r")) for line in complete]
            if lines and (ended or time.monotonic() - sent_at >= _BATCH_S):
                self._send(lines)
                lines, sent_at = [], time.monotonic()

    def _send(self, lines: list[tuple[datetime, str]]) -> None:
        points = [point for timestamp, line in lines for point in self._points(timestamp, line)]
        self.points += points
        with self._job.lock:
            for name, value, timestamp in points:
                self._job.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": timestamp}
        # The service refuses empty events.
        events = [
            {"timestamp": int(timestamp.timestamp() * 1000), "message": line[:_MAX_CHARACTERS] or " "}
            for timestamp, line in lines
        ]
        _send_in_batches(events, _MAX_EVENTS, self._put_events)
        _send_in_batches(points, _MAX_EVENTS, self._put_metrics)

    def _points(self, timestamp: datetime, line: str) -> list[tuple[str, float, datetime]]:
        points = []
        for name, pattern in self._definitions:
            for match in pattern.finditer(line):
                with suppress(ValueError, IndexError, TypeError):
                    points.append((name, float(match[1]), timestamp))
        return points

    def _put_events(self, events: list[Any]) -> None:
        self._logs.put_log_events(logGroupName=GROUP, logStreamName=self._stream, logEvents=events)

    def _put_metrics(self, points: list[Any]) -> None:
        dimensions = [{"Name": "TrainingJobName", "Value": self._job.name}]
        data = [
            {"MetricName": name, "Value": value, "Timestamp": timestamp, "Dimensions": dimensions}
            for name, value, timestamp in points
        ]
        self._cloudwatch.put_metric_data(Namespace=GROUP, MetricData=data)


def _send_in_batches(items: list[Any], size: int, send: Callable[[list[Any]], None]) -> None:
    for start in range(0, len(items), size):
        send(items[start : start + size])
