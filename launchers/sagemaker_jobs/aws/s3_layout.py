"""Layout of a sweep's files in S3: one folder per sweep, and shared folders named by digests of their contents."""

from __future__ import annotations

from dataclasses import dataclass

from sagemaker_jobs.options.field_types import AUTO


# Not sagemaker.s3.parse_s3_url: it drops what follows "?" or "#", which keys may contain.
def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@dataclass(frozen=True)
class S3Layout:
    """URIs of a sweep's files.

    Attributes:
        bucket: name, without s3://.
        prefix: the prefix of all keys.
        name_prefix: the name prefix of the sweep's jobs.
        checkpoint_uri: ``auto``, an S3 URI, or None.
        kms_key: that encrypts uploads; None: the bucket's default.
    """

    bucket: str
    prefix: str
    name_prefix: str
    checkpoint_uri: str | None
    kms_key: str | None = None

    @property
    def encryption(self) -> dict[str, str]:
        """The parameters of S3 uploads that choose their encryption."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}

    def source(self, digest: str) -> str:
        """Return the URI of the lab's source with a digest."""
        return f"s3://{self.bucket}/{self.prefix}/source/{digest}/sourcedir.tar.gz"

    def data(self, digest: str) -> str:
        """Return the URI of the folder of data with a digest."""
        return f"s3://{self.bucket}/{self.prefix}/data/{digest}"

    def trial(self, number: int, job: str) -> str:
        """Return the URI of the folder with the files that a job reads about its trial."""
        return f"{self._sweep}/trials/{number}/{job}"

    def checkpoint(self, number: int, digest: str) -> str | None:
        """Return the URI where all attempts at a trial save their run folder; None if they do not."""
        if self.checkpoint_uri is None:
            return None
        if self.checkpoint_uri == AUTO:
            return f"{self._sweep}/{number}-{digest}/run"
        return f"{self.checkpoint_uri.rstrip('/')}/{self.name_prefix}/{number}-{digest}"

    @property
    def output(self) -> str:
        """The URI of the folder where the service puts the output of each job, below its name."""
        return f"{self._sweep}/output"

    @property
    def _sweep(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/sweeps/{self.name_prefix}"
