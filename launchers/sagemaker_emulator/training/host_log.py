"""A host's output: to CloudWatch Logs, and what metric definitions find in it to CloudWatch and the job."""

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

from sagemaker_emulator.job import Job

GROUP = "/aws/sagemaker/TrainingJobs"
_EVERY_S = 0.25  # between batches
_MOST_CHARACTERS = 200_000  # of an event; the service takes 256 KB
_MOST_EVENTS = 1000  # of a batch; the service takes 10,000


class HostLog:
    """Reads a host's output in a thread of its own, until the last process that could write has ended."""

    def __init__(self, job: Job, host: str, reading: int, logs: Any, cloudwatch: Any) -> None:
        """Begin.

        Args:
            job: whose output it is, and which gets the metrics.
            host: name of the host.
            reading: file descriptor of the output; closed at its end.
            logs: client of boto3.
            cloudwatch: client of boto3.
        """
        self.points: list[tuple[str, float, datetime]] = []
        self._job, self._reading, self._logs, self._cloudwatch = job, reading, logs, cloudwatch
        found = job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        self._definitions = [(one["Name"], re.compile(one["Regex"])) for one in found]
        self._stream = self._open(host)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until all is written."""
        self._thread.join()

    def _open(self, host: str) -> str:
        """Make a stream; one of the same second takes the next."""
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
        except Exception:  # whatever it is, the job must not wait for somebody to read what it prints
            logging.getLogger(__name__).exception("log of %s", self._job.name)
            while os.read(self._reading, 1 << 16):
                pass
        finally:
            os.close(self._reading)

    def _read(self) -> None:
        lines: list[tuple[datetime, str]] = []
        rest, ended, sent = b"", False, time.monotonic()
        while not ended:
            if select.select([self._reading], [], [], _EVERY_S)[0]:
                data = os.read(self._reading, 1 << 16)
                ended = not data
                *whole, rest = (rest + data).split(b"\n")
                whole += [rest] if ended and rest else []
                moment = datetime.now(UTC)
                lines += [(moment, line.decode(errors="replace").rstrip("\r")) for line in whole]
            if lines and (ended or time.monotonic() - sent >= _EVERY_S):
                self._send(lines)
                lines, sent = [], time.monotonic()

    def _send(self, lines: list[tuple[datetime, str]]) -> None:
        points = [point for moment, line in lines for point in self._points(moment, line)]
        self.points += points
        with self._job.lock:
            for name, value, moment in points:
                self._job.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": moment}
        # An event must not be empty.
        events = [
            {"timestamp": int(moment.timestamp() * 1000), "message": line[:_MOST_CHARACTERS] or " "}
            for moment, line in lines
        ]
        _in_batches(events, _MOST_EVENTS, self._put_events)
        _in_batches(points, _MOST_EVENTS, self._put_metrics)

    def _points(self, moment: datetime, line: str) -> list[tuple[str, float, datetime]]:
        points = []
        for name, pattern in self._definitions:
            for found in pattern.finditer(line):
                with suppress(ValueError, IndexError, TypeError):
                    points.append((name, float(found[1]), moment))
        return points

    def _put_events(self, events: list[Any]) -> None:
        self._logs.put_log_events(logGroupName=GROUP, logStreamName=self._stream, logEvents=events)

    def _put_metrics(self, points: list[Any]) -> None:
        dimensions = [{"Name": "TrainingJobName", "Value": self._job.name}]
        data = [
            {"MetricName": name, "Value": value, "Timestamp": moment, "Dimensions": dimensions}
            for name, value, moment in points
        ]
        self._cloudwatch.put_metric_data(Namespace=GROUP, MetricData=data)


def _in_batches(items: list[Any], size: int, send: Callable[[list[Any]], None]) -> None:
    for start in range(0, len(items), size):
        send(items[start : start + size])
