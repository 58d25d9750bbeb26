"""Outcomes and bills of jobs."""

from __future__ import annotations

import pytest
from sagemaker_jobs.collect.job_bills import bill_of
from sagemaker_jobs.collect.outcome import collect_outcome

from battery_lab.common.errors import DataError
from battery_lab.sweep.journal import TrialState

JOB = "battery-lab-01234567-0-0123456789abcdef-1"


def description(**changes):
    hosts = {"InstanceType": "ml.a", "InstanceCount": 1}
    defaults = {
        "TrainingJobName": JOB,
        "TrainingJobArn": "arn",
        "TrainingJobStatus": "Completed",
        "ResourceConfig": hosts,
    }
    return {**defaults, **changes}


def test_a_bill_counts_all_hosts_and_the_savings_of_spot():
    groups = [{"InstanceType": "ml.a", "InstanceCount": 1}, {"InstanceType": "ml.b", "InstanceCount": 2}]
    job = description(TrainingTimeInSeconds=3600, BillableTimeInSeconds=1080, ResourceConfig={"InstanceGroups": groups})
    bill = bill_of(job, {"ml.a": 1.0, "ml.b": 2.0}, "USD")
    assert (bill.billable_seconds, bill.cost, bill.saved) == (1080, pytest.approx(1.5), pytest.approx(3.5))


def test_the_cost_is_unknown_without_a_price():
    bill = bill_of(description(TrainingTimeInSeconds=60), {}, "USD")
    assert (bill.training_seconds, bill.billable_seconds, bill.cost) == (60, 60, None)


class NoDownloads:
    """Downloads nothing."""

    def results(self, *_):
        pass

    log = curves = checkpoint = results


class ResultsOnly(NoDownloads):
    """Downloads results, and has no rights on anything else."""

    def results(self, folder, _):
        (folder / "metrics.json").write_text('{"validation/capture": 0.5}')

    def log(self, *_):
        raise DataError("AccessDenied: no logs for you")

    checkpoint = log


def test_a_trial_is_done_without_its_log_and_checkpoint(tmp_path, capsys):
    outcome = collect_outcome(0, tmp_path, description(), bill_of(description(), {}, "USD"), ResultsOnly(), "who")
    assert (outcome.state, outcome.result) == (TrialState.DONE, 0.5)
    assert capsys.readouterr().err.count("AccessDenied: no logs for you") == 2


@pytest.mark.parametrize(
    ("changes", "stop_requested", "state", "reason"),
    [
        ({"TrainingJobStatus": "Stopped"}, True, TrialState.STOPPED, None),
        ({"TrainingJobStatus": "Stopped"}, False, TrialState.FAILED, f"{JOB} was stopped, not by this sweep"),
        (
            {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
            False,
            TrialState.FAILED,
            f"{JOB} reached hydra.launcher.max_run_s: raise it; the same command resumes from its checkpoint",
        ),
        ({"TrainingJobStatus": "Failed", "FailureReason": "no"}, False, TrialState.FAILED, f"{JOB}: no"),
    ],
)
def test_jobs_that_did_not_complete_have_an_outcome_with_a_reason(tmp_path, changes, stop_requested, state, reason):
    job = description(**changes)
    outcome = collect_outcome(0, tmp_path, job, bill_of(job, {}, "USD"), NoDownloads(), "who", stop_requested)
    assert (outcome.state, outcome.reason) == (state, reason)


@pytest.mark.parametrize(
    ("reason", "attempt", "raised", "lost"),
    [
        ("AlgorithmError: ValueError: no such thing, exit code: 1", 0, True, False),
        ("ClientError: no such image", 0, False, False),
        ("InternalServerError: we encountered an error", 4, False, True),
        # Attempts cost, so their number is limited.
        ("InternalServerError: we encountered an error", 5, False, False),
    ],
)
def test_the_failure_reason_says_whether_the_trial_or_the_service_failed(tmp_path, reason, attempt, raised, lost):
    job = description(TrainingJobStatus="Failed", FailureReason=reason, TrainingJobName=f"{JOB[:-1]}{attempt}")
    outcome = collect_outcome(0, tmp_path, job, bill_of(job, {}, "USD"), NoDownloads(), "who")
    assert (outcome.raised, outcome.machine_lost) == (raised, lost)
