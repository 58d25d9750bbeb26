"""One message for what AWS, or the way to it, answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sagemaker_jobs.aws.connection import told_by


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raise LabError for what botocore and boto3 raise.

    Args:
        what: is being done, after "could not".
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise told_by(error, what) from None
