"""Fresh processes: results and errors come back, and nothing else does."""

from __future__ import annotations

import os
import time

import pytest

from battery_lab.common.errors import ConfigError, LabError
from battery_lab.common.fresh_process import in_fresh_processes


def test_each_function_runs_in_a_process_of_its_own_and_leaves_nothing_here():
    seen = []
    first, second = in_fresh_processes(
        "decide", lambda: (os.getpid(), len(seen)), lambda: (os.getpid(), seen.append(1))
    )
    assert len({first[0], second[0], os.getpid()}) == 3
    assert seen == []


def test_processes_run_at_the_same_time():
    start = time.perf_counter()
    in_fresh_processes("decide", *[lambda: time.sleep(0.3)] * 4)
    assert time.perf_counter() - start < 1.0


def test_an_error_comes_back_as_it_is_with_its_traceback_as_a_note():
    def fails():
        raise ConfigError("soc must be less, got 2")

    with pytest.raises(ConfigError, match="soc must be less, got 2") as caught:
        in_fresh_processes("decide", fails)
    assert "in fails" in caught.value.__notes__[0]


@pytest.mark.parametrize(("status", "end"), [(7, lambda: os._exit(7)), (-9, lambda: os.kill(os.getpid(), 9))])
def test_a_process_that_ends_without_a_result_is_an_error_that_says_how(status, end):
    with pytest.raises(LabError, match=f"decide ended its process with exit status {status}, without a result"):
        in_fresh_processes("decide", end)
