"""Names of jobs follow from what the jobs do, and can be parsed."""

from __future__ import annotations

import pytest
from sagemaker_jobs.aws.job_names import JobName, job_digest, job_name, parse_job_name, sweep_name_prefix

from battery_lab.common.errors import DataError

PREFIX = "battery-lab-01234567"


def test_a_name_can_be_parsed():
    digest = job_digest("abc", "def")
    name = job_name(sweep_name_prefix("algo=ppo,dqn", "lab", "battery_lab"), 11, digest, 2)
    assert parse_job_name(name) == JobName(11, digest, 2)
    assert len(name) <= 63


def test_the_digest_depends_on_the_trial_and_the_source():
    assert len({job_digest("abc", "def"), job_digest("abc", "deg"), job_digest("abx", "def")}) == 3


def test_the_prefix_depends_on_the_sweep_and_its_place():
    places = [("a", "lab", "ours"), ("b", "lab", "ours"), ("a", "bal", "ours"), ("a", "lab", "theirs")]
    assert len({sweep_name_prefix(*place) for place in places}) == 4


@pytest.mark.parametrize("name", ["battery-lab-x", "other-0123456789", f"{PREFIX}-1-0123456789abcdef-0-x"])
def test_names_of_other_jobs_are_not_parsed(name):
    assert parse_job_name(name) is None


def test_a_name_longer_than_the_service_allows_is_an_error():
    with pytest.raises(DataError, match="63 characters"):
        job_name(sweep_name_prefix("a", "lab", "battery_lab"), 10**23, job_digest("abc", "def"), 0)
