"""Forked processes: results and errors come back, nothing else does, and no process stays."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.common.forked_process import in_forked_processes


def test_each_function_runs_in_a_process_of_its_own_and_leaves_nothing_here():
    seen = []
    first, second = in_forked_processes(
        "decide", lambda: (os.getpid(), len(seen)), lambda: (os.getpid(), seen.append(1))
    )
    assert len({first[0], second[0], os.getpid()}) == 3
    assert seen == []


def test_processes_run_at_the_same_time():
    start = time.perf_counter()
    in_forked_processes("decide", *[lambda: time.sleep(0.3)] * 4)
    assert time.perf_counter() - start < 1.0


def test_an_error_comes_back_as_it_is_with_its_traceback_as_a_note():
    def fails():
        raise ConfigError("soc must be less, got 2")

    with pytest.raises(ConfigError, match="soc must be less, got 2") as caught:
        in_forked_processes("decide", fails)
    assert "in fails" in caught.value.__notes__[0]


@pytest.mark.parametrize(("status", "end"), [(7, lambda: os._exit(7)), (-9, lambda: os.kill(os.getpid(), 9))])
def test_a_process_that_ends_without_a_result_is_an_error_that_says_how(status, end):
    with pytest.raises(LabError, match=f"decide ended its process with exit status {status}, without a result"):
        in_forked_processes("decide", end)


class TwoPartsError(Exception):
    """An error that pickle cannot make again, as its arguments are not its message."""

    def __init__(self, name, price):
        super().__init__(f"{name} costs {price}")


class UnpicklableError(Exception):
    def __init__(self):
        super().__init__("no price file")
        self.callback = lambda: None


def raises(error):
    def function():
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TwoPartsError("power", 40), "decide failed with TwoPartsError: power costs 40: correct the function"),
        (UnpicklableError(), "decide failed with UnpicklableError: no price file: correct the function"),
        (SystemExit("no prices"), "decide ended its process with SystemExit: no prices, without a result"),
        (SystemExit(), "decide ended its process with SystemExit, without a result"),
        (KeyboardInterrupt(), "decide ended its process with KeyboardInterrupt, without a result"),
    ],
)
def test_an_error_that_cannot_come_back_as_it_is_comes_back_in_words(error, message):
    with pytest.raises(LabError, match=message) as caught:
        in_forked_processes("decide", raises(error))
    assert "in function" in caught.value.__notes__[0]


def test_an_error_of_a_module_that_only_the_process_imported_is_not_imported_here():
    def function():
        module = ModuleType("only_there")
        sys.modules["only_there"] = module
        exec("class Own(ValueError): pass", module.__dict__)
        raise module.Own("no bids")

    with pytest.raises(LabError, match="decide failed with Own: no bids"):
        in_forked_processes("decide", function)
    assert "only_there" not in sys.modules


def test_a_result_that_cannot_be_pickled_is_an_error():
    with pytest.raises((pickle.PicklingError, AttributeError), match="pickle"):
        in_forked_processes("decide", lambda: lambda: None)


def is_running(pid):
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        # The state follows the name of the program, which is in brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids):
    end = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def helper():
    """Start a process that stays, and return its number."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid


def test_what_a_function_started_ends_with_it():
    assert wait_for_end(in_forked_processes("decide", helper, helper))


@pytest.mark.parametrize("status", [0, 7])
def test_a_process_that_holds_the_pipe_does_not_keep_the_caller_waiting(status):
    def ends():
        if os.fork() == 0:
            time.sleep(60)
        os._exit(status)

    start = time.perf_counter()
    with pytest.raises(LabError, match=f"exit status {status}, without a result"):
        in_forked_processes("decide", ends)
    assert time.perf_counter() - start < 5


def test_all_processes_end_when_one_fails():
    receiver, sender = os.pipe()

    def stays():
        os.write(sender, f"{os.getpid()} {helper()}\n".encode())
        time.sleep(60)

    def fails():
        with os.fdopen(receiver) as lines:
            raise ValueError(lines.readline())

    with pytest.raises(ValueError, match=r"\d+ \d+") as caught:
        in_forked_processes("decide", fails, stays)
    os.close(receiver)
    os.close(sender)
    assert wait_for_end([int(pid) for pid in str(caught.value).split()])


CALLER = """
import os, subprocess, sys, time
from battery_lab.common.forked_process import in_forked_processes

def stays():
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.write(1, f"{os.getpid()} {helper.pid}\\n".encode())
    time.sleep(60)

in_forked_processes("decide", stays, stays)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_all_processes_end_with_a_caller_that_is_killed(number):
    caller = subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    pids = [int(pid) for _ in range(2) for pid in caller.stdout.readline().split()]
    assert len(pids) == 4 and all(map(is_running, pids))
    caller.send_signal(number)
    assert caller.wait() == -number
    assert wait_for_end(pids)
    caller.stdout.close()
