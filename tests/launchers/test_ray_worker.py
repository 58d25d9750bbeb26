"""What runs a trial sees to it that it is the launcher's own lab, and that it can see the trial's folder."""

from __future__ import annotations

from types import SimpleNamespace

import cloudpickle
import pytest
from hydra_plugins.battery_lab_launchers._ray_worker import run_trial
from hydra_plugins.battery_lab_launchers._trial_job import TrialJob, ending, run

from battery_lab.common.errors import LabError
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_id import source_digest


def test_a_process_of_another_lab_runs_nothing():
    digests = {"identity": "", "source": "another", "counts_as": "another"}
    job = TrialJob(config=None, task=pytest.fail, context=None, singletons=None, **digests)
    ended = ending(3, run(job))
    assert (ended.number, ended.state, ended.raised) == (3, State.FAILED, False)
    assert "has another lab, or other packages of it, than the launcher" in ended.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [({"folder": "/nowhere"}, "does not see /nowhere: put outputs= on"), ({"source": "x"}, "has another lab")],
)
def test_a_node_that_cannot_run_a_trial_says_why_before_it_reads_it(tmp_path, change, message):
    sent = {"folder": str(tmp_path), "source": source_digest(), "job": b"no pickle"} | change
    with pytest.raises(LabError, match=message):
        run_trial(cloudpickle.dumps(sent))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_again_is_a_failure():
    content = cloudpickle.dumps({"done": b"no pickle"})
    ended = ending(0, content)
    assert (ended.state, ended.raised) == (State.FAILED, True)
    assert "what it returned cannot be read by the launcher" in ended.reason


def test_what_a_trial_returned_comes_back():
    told = SimpleNamespace(return_value=0.5)
    ended = ending(0, cloudpickle.dumps({"done": cloudpickle.dumps(told)}))
    assert (ended.state, ended.result) == (State.DONE, 0.5)
