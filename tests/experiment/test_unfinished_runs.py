"""Runs that did not finish: their status, and resumptions that are refused."""

from __future__ import annotations

import os
import signal

import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.trainer import Interrupted
from tests.experiment.small_runs import TRACKER, other_prices, run, stop_at

pytestmark = pytest.mark.usefixtures("no_report")


def test_run_without_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(DataError, match="holds no checkpoint: the run stopped before its first one"):
        run(tmp_path / "empty", "ppo", resume=True)


@pytest.mark.parametrize(("error", "status"), [(Interrupted(signal.SIGTERM, None), "KILLED"), (DataError(), "FAILED")])
def test_tracker_receives_the_status_of_a_run_that_did_not_finish(tmp_path, monkeypatch, error, status):
    def build_learner(self, source):
        raise error

    monkeypatch.setattr(Experiment, "build_learner", build_learner)
    with pytest.raises(type(error)):
        run(tmp_path / "run", "ppo")
    assert TRACKER.statuses[tmp_path / "run"] == status


def test_run_cannot_be_resumed_on_other_prices(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 700, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            run(tmp_path / "run", "ppo")
    with pytest.raises(ConfigError, match="the data, or their split by time, differ"):
        run(tmp_path / "run", "ppo", f"market.path={other_prices(tmp_path)}", resume=True)
