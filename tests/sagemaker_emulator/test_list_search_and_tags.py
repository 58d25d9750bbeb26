"""Lists, searches and tags of training jobs."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from sagemaker_emulator import Emulator

from tests.sagemaker_emulator.stub_jobs import Lab


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Twelve jobs that wait for instances and one that was stopped, and a low rate for one operation."""
    with Emulator(tmp_path_factory.mktemp("lists"), rates={"ListEndpoints": 2}) as emulator:
        lab = Lab(emulator)
        for number in range(12):
            tags = [{"Key": "sweep", "Value": f"s{number % 2}"}]
            request = lab.waiting(TrainingJobName=f"sweep-{number:02}", Tags=tags)
            request["HyperParameters"]["alpha"] = str(number / 10)
            lab.start(request)
        lab.stop(lab.start(lab.waiting(TrainingJobName="other-stopped")))
        yield lab


def names(answer):
    return [each["TrainingJobName"] for each in answer["TrainingJobSummaries"]]


def test_a_page_has_ten_jobs_and_a_token_of_the_next(jobs):
    first = jobs.sagemaker.list_training_jobs(NameContains="SWEEP")
    assert names(first) == [f"sweep-{number:02}" for number in range(10)]
    second = jobs.sagemaker.list_training_jobs(NameContains="SWEEP", NextToken=first["NextToken"])
    assert names(second) == ["sweep-10", "sweep-11"] and "NextToken" not in second
    pages = jobs.sagemaker.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 5})
    assert [len(page["TrainingJobSummaries"]) for page in pages] == [5, 5, 3]
    with pytest.raises(ClientError, match="Invalid pagination token"):
        jobs.sagemaker.list_training_jobs(NextToken="somewhere")
    with pytest.raises(ClientError, match="value less than or equal to 100"):
        jobs.sagemaker.list_training_jobs(MaxResults=101)


def test_lists_are_filtered_and_sorted(jobs):
    stopped = jobs.sagemaker.list_training_jobs(StatusEquals="Stopped")
    assert names(stopped) == ["other-stopped"]
    summary = stopped["TrainingJobSummaries"][0]
    job = jobs.describe("other-stopped")
    for member in ("TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus"):
        assert summary[member] == job[member]
    under_way = jobs.sagemaker.list_training_jobs(StatusEquals="InProgress", SortBy="Name", SortOrder="Descending")
    assert names(under_way)[:2] == ["sweep-11", "sweep-10"]
    after = jobs.sagemaker.list_training_jobs(CreationTimeAfter=jobs.describe("sweep-09")["CreationTime"])
    assert names(after) == ["sweep-10", "sweep-11", "other-stopped"]
    before = jobs.sagemaker.list_training_jobs(CreationTimeBefore=jobs.describe("sweep-01")["CreationTime"])
    assert names(before) == ["sweep-00"]


def test_regions_have_separate_jobs(jobs):
    elsewhere = jobs.emulator.session.client(
        "sagemaker", region_name="us-east-1", endpoint_url=jobs.emulator.endpoint_url
    )
    assert elsewhere.list_training_jobs()["TrainingJobSummaries"] == []
    with pytest.raises(ClientError, match="not found"):
        elsewhere.describe_training_job(TrainingJobName="sweep-01")


def test_lists_above_the_rate_limit_are_throttled(jobs):
    impatient = jobs.emulator.client("sagemaker", retries={"total_max_attempts": 1})
    with pytest.raises(ClientError, match="ThrottlingException.*Rate exceeded"):
        for _ in range(4):
            impatient.list_endpoints()
    jobs.sagemaker.list_endpoints()  # as this client tries again


def test_search_finds_jobs_by_their_properties(jobs):
    def found(*filters, **more):
        answer = jobs.sagemaker.search(
            Resource="TrainingJob", SearchExpression={"Filters": list(filters)} | more.pop("expression", {}), **more
        )
        return [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]]

    tagged = {"Name": "Tags.sweep", "Operator": "Equals", "Value": "s1"}
    high = {"Name": "HyperParameters.alpha", "Operator": "Equals", "Value": "1.1"}
    late = {"Name": "TrainingJobName", "Operator": "Contains", "Value": "sweep-1"}
    assert found(tagged, late) == ["sweep-11"]
    assert found(high) == ["sweep-11"]
    assert found(tagged, SortBy="TrainingJobName", SortOrder="Ascending", MaxResults=2) == ["sweep-01", "sweep-03"]
    either = {"Operator": "Or"}
    assert sorted(found(high, late, expression=either)) == ["sweep-10", "sweep-11"]
    inner = {"SubExpressions": [{"Filters": [high]}]}
    assert found(late, expression=inner) == ["sweep-11"]
    assert found({"Name": "TrainingEndTime", "Operator": "Exists"}) == ["other-stopped"]
    assert found({"Name": "TrainingJobStatus", "Operator": "NotEquals", "Value": "InProgress"}) == ["other-stopped"]
    with pytest.raises(ClientError, match="Unknown property name: Colour"):
        found({"Name": "Colour", "Operator": "Equals", "Value": "red"})


def test_tags_can_be_added_and_deleted(jobs):
    arn = jobs.describe("sweep-00")["TrainingJobArn"]
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "trial", "Value": "7"}])
    jobs.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["sweep"])
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "trial", "Value": "7"}]
    with pytest.raises(ClientError, match="aws: prefixed"):
        jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:trial", "Value": "7"}])
