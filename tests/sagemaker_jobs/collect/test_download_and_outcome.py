"""The outcome of a finished job, from its downloads, its status and its failure reason."""

from __future__ import annotations

import pytest
from sagemaker_jobs.collect.download_and_outcome import collect_outcome
from sagemaker_jobs.collect.job_bills import bill_of

from battery_lab.common.errors import DataError
from battery_lab.sweep.journal import TrialState
from tests.sagemaker_jobs.collect.job_descriptions import JOB, description


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
