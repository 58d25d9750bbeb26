"""Faults of templates: a template that cannot be used is done without, and an interrupted start harms no other one."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import threading

import pytest
from hydra_plugins.battery_lab_launchers._adopted_orphans import adopting_orphans, reap_orphans
from hydra_plugins.battery_lab_launchers._trial_template import TrialTemplates

from tests.launchers.stub_hydra_app import children, is_gone, is_template, until

pytestmark = [pytest.mark.walk, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]

# The process between a template and its trial is killed. The fork before it is the template's first one.
KILLED_BETWEEN = """
import os, signal, sys
forks = []
def kill():
    if len(forks) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
if "_template_process" in " ".join(sys.orig_argv):
    os.register_at_fork(before=lambda: forks.append(1), after_in_child=kill)
"""
# What torch does in a forked process after its parent has counted the GPUs, if it is a build for GPUs.
COUNTS_GPUS = "import torch\ntorch.cuda._is_in_bad_fork = lambda: True\n"


class Interrupted(BaseException):
    pass


@pytest.fixture
def templates():
    selector = selectors.DefaultSelector()
    with selector:
        templates = TrialTemplates(selector)
        yield templates, selector
        templates.close()


def started(templates, *modules):
    """Return a new template that has started or failed to."""
    template = templates[0].get(modules, None)
    for key, _ in templates[1].select(120):
        templates[0].read(key.data)
    assert template.is_ready or template.is_lost
    return template


def test_output_of_imports_is_in_the_log_of_every_trial(templates, tmp_path, monkeypatch):
    (tmp_path / "prints.py").write_text("import sys\nprint('imported')\nprint('warned', file=sys.stderr)")
    monkeypatch.syspath_prepend(tmp_path)
    template = started(templates, "prints")
    logs = [tmp_path / "first", tmp_path / "second"]
    for log in logs:
        trial = template.start_trial(b"no pickle", log)
        assert trial.process.wait() == 1
        trial.pipe.close()
    for log in logs:
        lines = log.read_text().splitlines()
        assert sorted(lines[:2]) == ["imported", "warned"] and lines[2].startswith("Traceback")


def test_a_template_without_a_folder_for_matplotlib_starts_no_trials(templates, tmp_path, monkeypatch):
    # Matplotlib would remove its temporary folder at the end of the first trial.
    monkeypatch.setenv("MPLCONFIGDIR", "/proc/nowhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert started(templates, "matplotlib").is_lost
    assert list(tmp_path.iterdir()) == []
    assert templates[0].get(["matplotlib"], None) is None


def test_a_template_whose_trials_could_use_no_gpu_starts_none(templates, tmp_path, monkeypatch):
    (tmp_path / "counts_gpus.py").write_text(COUNTS_GPUS)
    monkeypatch.syspath_prepend(tmp_path)
    assert started(templates, "counts_gpus").is_lost


def test_a_start_for_which_a_process_is_killed_can_be_tried_again(templates, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(KILLED_BETWEEN)
    monkeypatch.syspath_prepend(tmp_path)
    template = started(templates)
    with pytest.raises(OSError) as raised:
        template.start_trial(b"no pickle", tmp_path / "log")
    assert raised.value.errno == errno.EAGAIN and template.is_ready
    trial = template.start_trial(b"no pickle", tmp_path / "log")
    assert trial.process.wait() == 1
    trial.pipe.close()


def test_an_interrupted_start_leaves_no_reply_for_the_next_one(templates, tmp_path):
    template = started(templates)
    (process,) = filter(is_template, children(os.getpid()))
    os.kill(process, signal.SIGSTOP)

    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            template.start_trial(b"no pickle", tmp_path / "log")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert template.is_lost
    until(lambda: is_gone(process))
    another = started(templates)
    assert another is not template and another.is_ready
    trial = another.start_trial(b"no pickle", tmp_path / "log")
    assert trial.process.wait() == 1
    trial.pipe.close()


def test_a_trial_for_which_something_else_has_waited_counts_as_ended(templates, tmp_path):
    template = started(templates)
    for end in ("poll", "wait"):
        trial = template.start_trial(b"no pickle", tmp_path / "log")
        os.waitpid(trial.process.pid, 0)
        assert getattr(trial.process, end)() == 0
        trial.process.send_signal(signal.SIGTERM)
        trial.pipe.close()


def test_adopted_orphans_of_others_are_waited_for():
    before = {*children(os.getpid())}
    with adopting_orphans():
        subprocess.run(["sh", "-c", "sleep 0.1 &"], check=True)
    (orphan,) = {*children(os.getpid())} - before
    until(lambda: is_gone(orphan))
    reap_orphans()
    assert orphan not in children(os.getpid())


def test_orphans_are_adopted_for_one_thread_at_a_time():
    order = []

    def adopt():
        with adopting_orphans():
            order.append("second")

    with adopting_orphans():
        thread = threading.Thread(target=adopt)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
