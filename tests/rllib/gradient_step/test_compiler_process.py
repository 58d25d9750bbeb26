"""The compiler process: it yields to the training, ends with its run, and leaves no files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from battery_lab.common.stop_signals import Stopped, on_stop
from battery_lab.rllib.gradient_step import compiler_process
from battery_lab.rllib.gradient_step.compiler_process import Compilation

URGENCIES = [True, pytest.param(False, marks=pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="needs Linux"))]
STARTED = "echo $$ >>{folder}/pids"


@pytest.fixture
def package(tmp_path):
    return tmp_path / "cache" / "program.pt2"


@pytest.fixture
def start(tmp_path, package, monkeypatch):
    """Start a compilation whose process runs a shell script instead; $3 is the package."""
    compilations = []

    def run(script="sleep 60", **options):
        # One file per compilation: the shell of an earlier one may not have read its own yet.
        executable = tmp_path / f"python{len(compilations)}"
        executable.write_text(f"#!/bin/sh\nshift\n{STARTED.format(folder=tmp_path)}\n{script}\n")
        executable.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(executable))
        monkeypatch.setenv("CXX", "/bin/sh")  # It is looked up, and never called.
        compilations.append(Compilation(package, **options))
        return compilations[-1]

    yield run
    for compilation in compilations:
        compilation.close()


def process_ids(folder, count=1):
    """Return the ids of the processes that were started, once there are as many."""
    deadline = time.monotonic() + 20
    while True:
        ids = [int(line) for line in (folder / "pids").read_text().split()] if (folder / "pids").exists() else []
        if len(ids) >= count:
            return ids
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_ended(process):
    try:
        return "Z" in Path(f"/proc/{process}/stat").read_text().split()[2]
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("urgent", URGENCIES)
def test_compiler_has_a_lower_priority_than_the_training(urgent, start, tmp_path):
    start(urgent=urgent)
    (process,) = process_ids(tmp_path)
    assert os.getpriority(os.PRIO_PROCESS, process) == (10 if urgent else 19)
    assert os.sched_getscheduler(process) == (os.SCHED_OTHER if urgent else os.SCHED_IDLE)


def test_compiler_does_not_overtake_a_training_with_a_low_priority(start, monkeypatch):
    monkeypatch.setattr(os, "getpriority", lambda which, who: 15)
    priorities = []
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: priorities.append(priority))
    start(urgent=True)
    assert priorities == [15]


def test_compilation_runs_where_priorities_cannot_be_set(start, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    assert start(urgent=False).running


def test_wait_returns_when_the_package_exists(start, package):
    start("sleep 0.2; touch $3").wait()
    assert package.is_file()


def test_wait_accepts_a_package_made_by_another_run(start, package):
    compilation = start()
    package.touch()
    compilation.wait()
    assert compilation.running


def test_background_compilation_that_gets_no_processor_is_restarted_as_urgent(start, package, monkeypatch, tmp_path):
    monkeypatch.setattr(compiler_process, "MAX_BACKGROUND_WAIT_S", 0.1)
    compilation = start(
        f"if [ -e {tmp_path}/once ]; then touch $3; else touch {tmp_path}/once; sleep 60; fi", urgent=False
    )
    assert not compilation.ready()
    while not (tmp_path / "once").exists():
        time.sleep(0.01)
    compilation.wait()
    assert package.is_file() and has_ended(process_ids(tmp_path)[0])


def test_failure_is_reported_with_the_output_of_the_compiler(start):
    with pytest.raises(RuntimeError, match="no space left"):
        start("echo no space left; exit 1").wait()


def test_wait_gives_up_after_the_time_limit(start, monkeypatch):
    monkeypatch.setattr(compiler_process, "TIMEOUT_S", 0.1)
    with pytest.raises(RuntimeError, match=r"more than 0\.1 s"):
        start().wait()


def test_close_ends_the_process_and_removes_its_files(start, package):
    compilation = start()
    compilation.close()
    assert not compilation.running
    assert list(package.parent.iterdir()) == []


def test_first_ctrl_c_ends_the_wait_even_if_the_training_would_finish_its_iteration(start):
    compilation = start()
    received = []
    with on_stop(received.append):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(Stopped) as stopped:
            compilation.wait()
    assert received == [signal.SIGINT] and stopped.value.number == signal.SIGINT
    compilation.close()
    assert not compilation.running


def test_equal_trials_compile_their_program_once(start, package, tmp_path):
    script = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; touch $3"
    first, second = start(script), start(script)
    assert first.running and not second.running
    (tmp_path / "go").touch()
    second.wait()
    assert package.is_file() and len(process_ids(tmp_path)) == 1


def test_equal_trial_compiles_if_the_first_one_ends_without_a_package(start, package, tmp_path):
    first, second = start(), start("touch $3")
    process_ids(tmp_path)
    first.close()
    second.wait()
    assert package.is_file() and len(process_ids(tmp_path, 2)) == 2


def test_equal_trial_does_not_wait_for_a_background_compilation_without_a_processor(
    start, package, tmp_path, monkeypatch
):
    monkeypatch.setattr(compiler_process, "MAX_BACKGROUND_WAIT_S", 0.1)
    first = start(urgent=False)
    second = start("touch $3", urgent=False)
    second.wait()
    assert package.is_file() and first.running


def end_when_unneeded(parent, package):
    code = "import os, sys, threading, pathlib; "
    code += "from battery_lab.rllib.gradient_step.compiler_process import _exit_when_unneeded as f; "
    code += f"parent = {parent}; print(os.getpid(), flush=True); "  # The parent may be killed once this is read.
    code += f"f(parent, pathlib.Path({str(package)!r}))"
    return code


@pytest.mark.walk
def test_compiler_ends_when_another_run_has_made_the_package(tmp_path):
    package = tmp_path / "program.pt2"
    package.touch()
    code = end_when_unneeded("os.getppid()", package)
    assert subprocess.run([sys.executable, "-c", code], process_group=0, check=False).returncode == -signal.SIGKILL


@pytest.mark.walk
def test_compiler_ends_when_the_training_is_killed(tmp_path):
    code = end_when_unneeded("os.getppid()", tmp_path / "never.pt2")
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], process_group=0)"
    training = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert training.stdout is not None
    compiler = int(training.stdout.readline())
    training.kill()
    training.wait()
    deadline = time.monotonic() + 20
    while not has_ended(compiler):
        assert time.monotonic() < deadline
        time.sleep(0.1)
