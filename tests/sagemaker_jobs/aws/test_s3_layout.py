"""URIs of checkpoints in S3, and their buckets and keys."""

from __future__ import annotations

from sagemaker_jobs.aws.s3_layout import S3Layout, split_uri

PREFIX = "battery-lab-01234567"


def test_attempts_at_a_trial_share_a_checkpoint_uri():
    auto = S3Layout("bucket", "lab", PREFIX, "auto")
    assert auto.checkpoint(3, "abc") == f"s3://bucket/lab/sweeps/{PREFIX}/3-abc/run"
    chosen = S3Layout("bucket", "lab", PREFIX, "s3://other/place/")
    assert chosen.checkpoint(3, "abc") == f"s3://other/place/{PREFIX}/3-abc"
    assert S3Layout("bucket", "lab", PREFIX, None).checkpoint(3, "abc") is None


def test_a_uri_is_split_into_bucket_and_key():
    assert split_uri("s3://bucket/a/b.csv") == ("bucket", "a/b.csv")
    assert split_uri("s3://bucket") == ("bucket", "")
