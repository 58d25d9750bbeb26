"""Where things lie in S3: below one prefix, a folder a sweep, and what all sweeps share by its digest."""

from __future__ import annotations

from dataclasses import dataclass

from sagemaker_jobs.options.field_types import AUTO


def split(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@dataclass(frozen=True)
class Places:
    """The places of a sweep.

    Attributes:
        bucket: without s3://.
        prefix: of all keys.
        lead: how the names of the sweep's jobs begin.
        checkpoints: what was chosen for them: ``auto``, a URI, or None.
        key: of KMS, for what is uploaded from here; None: as the bucket does by itself.
    """

    bucket: str
    prefix: str
    lead: str
    checkpoints: str | None
    key: str | None = None

    @property
    def extra(self) -> dict[str, str]:
        """What uploads to S3 say of their encryption."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key} if self.key else {}

    def source(self, digest: str) -> str:
        """Return where the lab's source of a digest lies."""
        return f"s3://{self.bucket}/{self.prefix}/source/{digest}/sourcedir.tar.gz"

    def data(self, digest: str) -> str:
        """Return the folder of data of a digest."""
        return f"s3://{self.bucket}/{self.prefix}/data/{digest}"

    def trial(self, number: int, job: str) -> str:
        """Return the folder of the files that a trial's job of a name reads."""
        return f"{self._sweep}/trials/{number}/{job}"

    def checkpoint(self, number: int, who: str) -> str | None:
        """Return where a trial's run folder is kept while it trains, for all of its attempts."""
        if self.checkpoints is None:
            return None
        if self.checkpoints == AUTO:
            return f"{self._sweep}/{number}-{who}/run"
        return f"{self.checkpoints.rstrip('/')}/{self.lead}/{number}-{who}"

    @property
    def output(self) -> str:
        """The folder in which the service puts what jobs leave, by their names."""
        return f"{self._sweep}/output"

    @property
    def _sweep(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/sweeps/{self.lead}"
