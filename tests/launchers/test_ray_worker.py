"""Trial workers: check that source and folder are the launcher's, and send back the outcome."""

from __future__ import annotations

from types import SimpleNamespace

import cloudpickle
import pytest
from hydra_plugins.battery_lab_launchers._ray_worker import run_received_trial
from hydra_plugins.battery_lab_launchers._trial_job import TrialJob, read_outcome, run_trial_job

from battery_lab.common.errors import LabError
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.trial_id import source_digest


def test_a_process_with_another_source_runs_nothing():
    digests = {"identity": "", "source": "another", "counts_as": "another"}
    job = TrialJob(config=None, task=pytest.fail, context=None, singletons=None, **digests)
    outcome = read_outcome(3, run_trial_job(job))
    assert (outcome.number, outcome.state, outcome.raised) == (3, TrialState.FAILED, False)
    assert "has another version of the lab or its packages than the launcher" in outcome.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": "/nowhere"}, "cannot access /nowhere: put outputs= on"),
        ({"source": "x"}, "has another version of the lab or its packages than the launcher"),
    ],
)
def test_a_node_that_cannot_run_a_trial_reports_it_before_unpickling_the_job(tmp_path, change, message):
    content = {"folder": str(tmp_path), "source": source_digest(), "job": b"no pickle"} | change
    with pytest.raises(LabError, match=message):
        run_received_trial(cloudpickle.dumps(content))
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_unpickled_is_a_failure():
    outcome = read_outcome(0, cloudpickle.dumps({"done": b"no pickle"}))
    assert (outcome.state, outcome.raised) == (TrialState.FAILED, True)
    assert "its result cannot be unpickled by the launcher" in outcome.reason


def test_result_is_read_back():
    job_return = SimpleNamespace(return_value=0.5)
    outcome = read_outcome(0, cloudpickle.dumps({"done": cloudpickle.dumps(job_return)}))
    assert (outcome.state, outcome.result) == (TrialState.DONE, 0.5)
