"""A sweep that receives one signal stops its trials with a checkpoint."""

from __future__ import annotations

import signal

import pytest

from battery_lab.sweep.trial_folder import checkpoint_steps
from tests.launchers.kill_harness import Sweep
from tests.launchers.stub_hydra_app import until


@pytest.mark.walk
def test_a_stopped_sweep_saves_checkpoints_of_its_trials(tmp_path):
    budget = ["train.env_steps=1e8", "train.checkpoint_every=1e8", "train.validate_every=1e8"]
    # A long run would start a compiler process, which takes the cores.
    sweep = Sweep(tmp_path, [*budget, "rollout.compile=false"])
    launcher = sweep.start()
    curves = [sweep.folder / number / "curves.jsonl" for number in "01"]
    until(lambda: all(path.exists() and path.stat().st_size for path in curves), seconds=180)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(120) == 128 + signal.SIGINT
    output = (tmp_path / "output.txt").read_text()
    assert "stopped by SIGINT; resume with: battery-lab sweep.resume=" in output
    states = {e["number"]: e["state"] for e in sweep.events() if e["event"] == "finished"}
    assert states == {0: "stopped", 1: "stopped"}
    assert all((checkpoint_steps(sweep.folder / number) or 0) > 0 for number in "01")
