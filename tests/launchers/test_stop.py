"""A sweep that is stopped once lets its trials save where they are."""

from __future__ import annotations

import signal

from battery_lab.sweep.trial_folder import checkpoint_steps
from tests.launchers.app import until
from tests.launchers.kills import Sweep


def test_a_stop_lets_trials_save_a_checkpoint(tmp_path):
    endless = ["train.env_steps=1e8", "train.checkpoint_every=1e8", "train.validate_every=1e8"]
    # So many steps are worth a compiler, which would have the cores.
    sweep = Sweep(tmp_path, [*endless, "rollout.compile=false"])
    driver = sweep.start()
    curves = [sweep.folder / number / "curves.jsonl" for number in "01"]
    until(lambda: all(path.exists() and path.stat().st_size for path in curves), seconds=180)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(120) == 128 + signal.SIGINT
    assert "stopped by SIGINT; resume with: battery-lab sweep.resume=" in (tmp_path / "said").read_text()
    states = {e["number"]: e["state"] for e in sweep.events() if e["event"] == "ended"}
    assert states == {0: "stopped", 1: "stopped"}
    assert all((checkpoint_steps(sweep.folder / number) or 0) > 0 for number in "01")
