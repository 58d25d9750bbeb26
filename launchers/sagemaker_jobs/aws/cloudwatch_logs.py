"""Logs of training jobs, from CloudWatch Logs."""

from __future__ import annotations

from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.errors import error_code

GROUP = "/aws/sagemaker/TrainingJobs"


# Not the SDK's logs_for_job: it prints lines, checks the job only every 30 s, and raises for a job that failed.
def log_streams(connection: Connection, job: str) -> list[str]:
    """Return the names of a job's log streams, one per host; empty before the first line."""
    try:
        pages = connection.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=GROUP, logStreamNamePrefix=f"{job}/"
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except Exception as error:
        if error_code(error) == "ResourceNotFoundException":
            return []
        raise


def read_log_lines(connection: Connection, stream: str, token: str | None = None) -> tuple[list[str], str | None]:
    """Read a log stream to its end.

    Args:
        connection: the connection to AWS.
        stream: name of the log stream.
        token: position returned by an earlier call; None: the beginning.

    Returns:
        The lines after that position, and the position after them.
    """
    lines: list[str] = []
    while True:
        position = {"nextToken": token} if token else {}
        page = connection.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, **position)
        lines += [event["message"] for event in page["events"]]
        # At the end of a stream the service returns the token of the request.
        if page["nextForwardToken"] == token:
            return lines, token
        token = page["nextForwardToken"]
