"""Names of jobs follow from what they do."""

from __future__ import annotations

import pytest
from sagemaker_jobs.aws.job_names import JobName, job_name, read_name, sweep_lead, who
from sagemaker_jobs.aws.s3_layout import Places, split

from battery_lab.common.errors import DataError


def test_a_name_says_what_it_is_of():
    name = job_name(sweep_lead("algo=ppo,dqn", "lab", "battery_lab"), 11, who("abc", "def"), 2)
    assert read_name(name) == JobName(11, who("abc", "def"), 2)
    assert len(name) <= 63


def test_another_source_or_another_sweep_has_other_names():
    assert len({who("abc", "def"), who("abc", "deg"), who("abd", "def")}) == 3
    places = [("a", "lab", "ours"), ("b", "lab", "ours"), ("a", "bal", "ours"), ("a", "lab", "theirs")]
    assert len({sweep_lead(*place) for place in places}) == 4


@pytest.mark.parametrize("name", ["battery-lab-x", "other-0123456789", "battery-lab-01234567-1-0123456789abcdef-0-x"])
def test_other_names_are_none_of_ours(name):
    assert read_name(name) is None


def test_a_name_too_long_for_the_service_is_refused():
    with pytest.raises(DataError, match="63 characters"):
        job_name(sweep_lead("a", "lab", "battery_lab"), 10**23, who("abc", "def"), 0)


def test_attempts_at_a_trial_share_its_checkpoints():
    auto = Places("bucket", "lab", "battery-lab-01234567", "auto")
    assert auto.checkpoint(3, "abc") == "s3://bucket/lab/sweeps/battery-lab-01234567/3-abc/run"
    chosen = Places("bucket", "lab", "battery-lab-01234567", "s3://other/place/")
    assert chosen.checkpoint(3, "abc") == "s3://other/place/battery-lab-01234567/3-abc"
    assert Places("bucket", "lab", "battery-lab-01234567", None).checkpoint(3, "abc") is None


def test_a_uri_is_a_bucket_and_a_key():
    assert split("s3://bucket/a/b.csv") == ("bucket", "a/b.csv")
    assert split("s3://bucket") == ("bucket", "")
