"""How a run stops on a signal or a kill, and the message that says how to resume."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from battery_lab.cli.error_messages import exit_message
from battery_lab.common.errors import ConfigError
from battery_lab.common.stop_signals import Stopped, stop_at_once
from battery_lab.experiment import checkpoint
from battery_lab.experiment.trainer import Interrupted
from battery_lab.rllib.ray_runtime import start_ray
from tests.cli.typed_commands import ROOT, figures, start, tiny


@pytest.mark.walk
def test_a_stopped_run_saves_a_checkpoint_and_prints_how_to_resume(lab, monkeypatch, tmp_path: Path):
    process = start(tmp_path, *tiny(tmp_path), "train.env_steps=1e9", "train.checkpoint_every=1e9")
    seen = ""
    while " steps " not in seen:
        seen += process.stdout.readline()
    assert "\x1b" not in seen
    # `timeout` and others signal a process and its group: one request that arrives twice.
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    match = re.fullmatch(r"stopped by SIGTERM, with a checkpoint in \S+\nresume with: (.*)\n", err)
    assert match, err
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    done = checkpoint.latest(folder / "checkpoints")[1].env_steps
    resume = match[1].removeprefix("battery-lab ")
    assert resume == f"resume={folder.relative_to(tmp_path)}"
    output = lab(resume, f"train.env_steps={done + 1}")
    assert output.status == 0
    assert figures(folder)["train/env_steps"] > done


@pytest.mark.walk
def test_a_killed_run_resumes_to_the_same_results(lab, tmp_path: Path):
    chosen = [*tiny(tmp_path), "train.env_steps=4096", "train.checkpoint_every=1024", "train.validate_every=1024"]
    whole, killed = (f"hydra.run.dir={tmp_path / name}" for name in ("whole", "killed"))
    assert lab(*chosen, whole).status == 0
    process = start(tmp_path, *chosen, killed)
    deadline = time.monotonic() + 120
    while not checkpoint.list_checkpoints(tmp_path / "killed" / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "metrics.json").exists()
    assert lab(f"resume={tmp_path / 'killed'}").status == 0
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")


@pytest.mark.walk
@pytest.mark.parametrize("learners", [0, 1], ids=["local learner", "remote learner"])
def test_ctrl_c_during_a_wait_for_the_compiler_saves_a_checkpoint_first(learners, tmp_path: Path):
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\nexec sleep 600\n")
    compiler.chmod(0o755)
    # Four gradient steps per iteration: the second one cannot finish without the compiled program.
    chosen = ["train.env_steps=1e9", "rollout.compile_after=6", f"algo.num_learners={learners}"]
    process = start(tmp_path, *tiny(tmp_path), *chosen, CXX=str(compiler))
    while not (curves := list(tmp_path.glob("outputs/runs/*/curves.jsonl"))) or not curves[0].read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert re.match(r"stopped by SIGINT, with a checkpoint in \S+\nresume with: ", err), err
    (line,) = curves[0].read_text().splitlines()
    assert checkpoint.latest(curves[0].parent / "checkpoints")[1].env_steps == json.loads(line)["env_steps"]
    assert not list(tmp_path.glob("outputs/cache/compiled/*/job"))


def test_ctrl_c_ends_with_the_status_that_shells_expect(tmp_path: Path):
    (tmp_path / "checkpoints" / "000000000005").mkdir(parents=True)
    (tmp_path / "checkpoints" / "000000000005" / "state.json").write_text("{}")
    message, status = exit_message(Interrupted(signal.SIGINT, tmp_path / "x"), tmp_path)
    assert status == 130
    assert message == f"stopped by SIGINT, with a checkpoint in {tmp_path / 'x'}\nresume with: {resume(tmp_path)}"


def resume(folder: Path) -> str:
    return f"battery-lab resume={folder}"


def send_at(patch: pytest.MonkeyPatch, target: object, name: str, number: int) -> None:
    """Have a function send this process a signal, twice as `timeout` does, before it does its work."""
    function = getattr(target, name)

    def signalled(*arguments, **choices):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        return function(*arguments, **choices)

    patch.setattr(target, name, signalled)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("battery_lab.cli.resume_and_rerun_arguments", "check_groups"),
        ("battery_lab.cli.run_trial", "build_experiment"),
        ("battery_lab.envs.world_cache.WorldSource", "open"),
        ("battery_lab.rllib.ray_runtime.ray", "init"),
        ("battery_lab.algos.ppo.PPO", "config"),
    ],
)
def test_a_stop_before_training_is_one_line_and_leaves_no_folder(lab, monkeypatch, tmp_path, module, name, number):
    monkeypatch.setattr("battery_lab.rllib.ray_runtime.ray.is_initialized", lambda: False)
    monkeypatch.setattr("battery_lab.rllib.ray_runtime.ray.init", lambda **_: None)
    send_at(monkeypatch, pkgutil.resolve_name(module), name, number)
    # RLlib's own classes need Ray.
    output = lab(*tiny(tmp_path), *(["rollout=stock"] if name == "init" else []))
    assert output.status == 128 + number
    assert re.fullmatch(rf"stopped at once by {number.name}; .*start again\n", output.err), output.err
    made = {path.name for path in tmp_path.glob("outputs/runs/*/*")}
    assert made <= {".hydra", ".lock", "battery_lab.log", "trial.yaml", "curves.jsonl"}
    assert "curves.jsonl" in made or not made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_before_training_is_tracked_as_killed(lab, monkeypatch, tmp_path: Path, number):
    ends: list[str] = []
    tracking = SimpleNamespace(log=lambda *_: None, finish=ends.append)
    monkeypatch.setattr("battery_lab.tracking.NoTracking.start", lambda *_: tracking)
    monkeypatch.setattr("battery_lab.algos.rllib_algorithm_adapter.start_ray_for", lambda _: None)
    send_at(monkeypatch, pkgutil.resolve_name("battery_lab.algos.ppo.PPO"), "config", number)
    assert lab(*tiny(tmp_path)).status == 128 + number
    assert ends == ["KILLED"]


def test_a_stop_that_surfaces_as_another_error_is_reported_as_a_stop():
    try:
        try:
            raise Stopped(signal.SIGTERM)
        finally:
            raise ConfigError("what it broke off")
    except ConfigError as error:
        assert exit_message(error) == ("stopped at once by SIGTERM; start again", 143)


def test_ray_leaves_sigterm_to_the_lab(monkeypatch):
    second_start = []

    def init(**options):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        if second_start:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("battery_lab.rllib.ray_runtime.ray.is_initialized", lambda: False)
    monkeypatch.setattr("battery_lab.rllib.ray_runtime.ray.init", init)
    before = signal.getsignal(signal.SIGTERM)
    start_ray(0)
    assert signal.getsignal(signal.SIGTERM) == before
    second_start.append(True)
    try:
        with pytest.raises(Stopped), stop_at_once():
            start_ray(0)
    finally:
        for number, handler in ((signal.SIGTERM, before), (signal.SIGINT, signal.default_int_handler)):
            signal.signal(number, handler)


SECOND = """
import os, signal, time
from battery_lab.common import stop_signals
stop_signals.SAME_SIGNAL_S = 0.0
with stop_signals.stop_at_once():
    try:
        os.kill(os.getpid(), signal.{first})
    except KeyboardInterrupt as stop:
        print(stop, flush=True)
    time.sleep(0.01)
    os.kill(os.getpid(), signal.{first})
    print("still there")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_silently(number):
    done = subprocess.run(
        [sys.executable, "-c", SECOND.format(first=number.name)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (-number, f"stopped by {number.name}\n", "")
