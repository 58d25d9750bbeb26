"""What jobs print, as CloudWatch Logs keeps it."""

from __future__ import annotations

from sagemaker_jobs.aws.connection import Connection, code_of

GROUP = "/aws/sagemaker/TrainingJobs"


def streams(connection: Connection, job: str) -> list[str]:
    """Return the log streams of a job, one a host."""
    try:
        pages = connection.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=GROUP, logStreamNamePrefix=f"{job}/"
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except Exception as error:
        if code_of(error) == "ResourceNotFoundException":
            return []
        raise


def lines(connection: Connection, stream: str, token: str | None = None) -> list[str]:
    """Return the lines of a log stream."""
    found: list[str] = []
    while True:
        more, after = next_lines(connection, stream, token)
        found += more
        # The service says that there is no more by the token that it was given.
        if after == token:
            return found
        token = after


def next_lines(connection: Connection, stream: str, token: str | None) -> tuple[list[str], str | None]:
    """Return the lines that come after a token, and the token after them."""
    place = {"nextToken": token} if token else {}
    told = connection.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, **place)
    return [event["message"] for event in told["events"]], told["nextForwardToken"]
