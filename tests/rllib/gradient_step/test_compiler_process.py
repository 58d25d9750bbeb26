"""The process that compiles: it gives way, ends with its run, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from battery_lab.rllib.gradient_step import compiler_process
from battery_lab.rllib.gradient_step.compiler_process import Compilation

HURRIES = [True, pytest.param(False, marks=pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="needs Linux"))]


@pytest.fixture
def compilation(tmp_path, monkeypatch):
    """Start a job that stands still, or what else a shell is to do; its third argument is the package."""
    made = []

    def start(does="sleep 60", **options):
        script = tmp_path / "does"
        script.write_text(f"#!/bin/sh\nshift\n{does}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        monkeypatch.setenv("CXX", "/bin/sh")  # that there is a compiler is all that is asked here
        made.append(Compilation(tmp_path / "cache" / "program.pt2", **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.parametrize("hurry", HURRIES)
def test_the_training_goes_first(compilation, hurry):
    job = compilation(hurry=hurry)._job
    assert os.getpriority(os.PRIO_PROCESS, job.pid) == (compiler_process.LOWER if hurry else compiler_process.LOWEST)
    assert os.sched_getscheduler(job.pid) == (os.SCHED_OTHER if hurry else os.SCHED_IDLE)


def test_a_training_that_gave_way_itself_is_not_overtaken(compilation, monkeypatch):
    monkeypatch.setattr(os, "getpriority", lambda which, who: 15)
    given = []
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: given.append(priority))
    compilation(hurry=True)
    assert given == [15]


def test_where_no_priority_can_be_set_it_compiles_all_the_same(compilation, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    assert compilation(hurry=False).running


def test_a_run_waits_for_its_package(compilation):
    started = compilation("sleep 0.2; touch $3")
    started.wait()
    assert started._package.is_file()


def test_a_run_takes_the_package_that_another_one_made_meanwhile(compilation):
    started = compilation()
    started._package.touch()
    started.wait()
    assert started.running


def test_a_job_that_others_keep_from_working_begins_anew_when_the_training_waits(compilation, monkeypatch, tmp_path):
    monkeypatch.setattr(compiler_process, "IDLE_S", 0.1)
    started = compilation(
        f"if [ -e {tmp_path}/once ]; then touch $3; else touch {tmp_path}/once; sleep 60; fi", hurry=False
    )
    first = started._job
    while not (tmp_path / "once").exists():
        time.sleep(0.01)
    started.wait()
    assert started._package.is_file() and first.poll() == -signal.SIGKILL


def test_what_went_wrong_is_told(compilation):
    with pytest.raises(RuntimeError, match="no space left"):
        compilation("echo no space left; exit 1").wait()


def test_a_job_without_end_is_given_up(compilation, monkeypatch):
    monkeypatch.setattr(compiler_process, "LONGEST_S", 0.1)
    with pytest.raises(RuntimeError, match=r"more than 0\.1 s"):
        compilation().wait()


def test_it_ends_with_the_run_and_leaves_nothing(compilation):
    started = compilation()
    started.close()
    assert not started.running
    assert list(started._package.parent.iterdir()) == []


def test_the_cache_keeps_the_newest_programs_and_nothing_that_killed_processes_left(compilation, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler_process, "KEPT_PROGRAMS", 2)
    cache = tmp_path / "cache"
    cache.mkdir()
    for age, name in enumerate("abcd"):
        for suffix in (".pt2", ".json"):
            path = cache / f"{name}{suffix}"
            path.touch()
            os.utime(path, (1e9 - age, 1e9 - age))
    for name, age in (("0123abcd_left", 1e9), ("0123abcd_used", time.time())):
        (cache / name).mkdir()
        os.utime(cache / name, (age, age))
    compilation().close()
    assert {path.name for path in cache.iterdir()} == {"a.pt2", "a.json", "b.pt2", "b.json", "0123abcd_used"}


@pytest.mark.parametrize("why", ["nobody waits", "somebody made it"])
def test_it_ends_when_nobody_wants_its_program_any_more(why, tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(os, "killpg", lambda *arguments: ended.append(arguments))
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits for something else"))
    package = tmp_path / "program.pt2"
    if why == "somebody made it":
        package.touch()
    compiler_process._end_with(os.getppid() if package.exists() else -1, package)
    assert ended == [(0, signal.SIGKILL)]


@pytest.mark.slow
def test_it_ends_when_the_training_is_killed(tmp_path):
    child = "import os; from battery_lab.rllib.gradient_step.compiler_process import _end_with; "
    child += "from pathlib import Path; print(os.getpid(), flush=True); _end_with(os.getppid(), Path('never made'))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], process_group=0)"
    training = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert training.stdout is not None
    job = int(training.stdout.readline())
    training.kill()
    training.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{job}").exists() and "Z" not in Path(f"/proc/{job}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
