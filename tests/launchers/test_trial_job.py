"""Trial jobs: a job runs only with the launcher's source, and its outcome is read back."""

from __future__ import annotations

from types import SimpleNamespace

import cloudpickle
import pytest
from hydra_plugins.battery_lab_launchers._trial_job import TrialJob, read_outcome, run_trial_job

from battery_lab.sweep.journal import TrialState


def test_a_process_with_another_source_runs_nothing():
    digests = {"identity": "", "source": "another", "counts_as": "another"}
    job = TrialJob(config=None, task=pytest.fail, context=None, singletons=None, **digests)
    outcome = read_outcome(3, run_trial_job(job))
    assert (outcome.number, outcome.state, outcome.raised) == (3, TrialState.FAILED, False)
    assert "has another version of the lab or its packages than the launcher" in outcome.reason


def test_a_result_that_cannot_be_unpickled_is_a_failure():
    outcome = read_outcome(0, cloudpickle.dumps({"done": b"no pickle"}))
    assert (outcome.state, outcome.raised) == (TrialState.FAILED, True)
    assert "its result cannot be unpickled by the launcher" in outcome.reason


def test_result_is_read_back():
    job_return = SimpleNamespace(return_value=0.5)
    outcome = read_outcome(0, cloudpickle.dumps({"done": cloudpickle.dumps(job_return)}))
    assert (outcome.state, outcome.result) == (TrialState.DONE, 0.5)
