"""The bill of a job counts its hosts, its prices and the savings of spot."""

from __future__ import annotations

import pytest
from sagemaker_jobs.collect.job_bills import bill_of

from tests.sagemaker_jobs.collect.job_descriptions import description


def test_a_bill_counts_all_hosts_and_the_savings_of_spot():
    groups = [{"InstanceType": "ml.a", "InstanceCount": 1}, {"InstanceType": "ml.b", "InstanceCount": 2}]
    job = description(TrainingTimeInSeconds=3600, BillableTimeInSeconds=1080, ResourceConfig={"InstanceGroups": groups})
    bill = bill_of(job, {"ml.a": 1.0, "ml.b": 2.0}, "USD")
    assert (bill.billable_seconds, bill.cost, bill.saved) == (1080, pytest.approx(1.5), pytest.approx(3.5))


def test_the_cost_is_unknown_without_a_price():
    bill = bill_of(description(TrainingTimeInSeconds=60), {}, "USD")
    assert (bill.training_seconds, bill.billable_seconds, bill.cost) == (60, 60, None)
