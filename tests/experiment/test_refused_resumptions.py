"""Refused resumptions: a run without a checkpoint, and a run on other prices."""

from __future__ import annotations

import os
import signal

import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.experiment.trainer import Interrupted
from tests.experiment.small_runs import other_prices, run
from tests.experiment.stop_and_compare_runs import stop_at

pytestmark = pytest.mark.usefixtures("no_report")


def test_run_without_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(DataError, match="holds no checkpoint: the run stopped before its first one"):
        run(tmp_path / "empty", "ppo", resume=True)


def test_run_cannot_be_resumed_on_other_prices(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 700, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            run(tmp_path / "run", "ppo")
    with pytest.raises(ConfigError, match="the data, or their split by time, differ"):
        run(tmp_path / "run", "ppo", f"market.path={other_prices(tmp_path)}", resume=True)
