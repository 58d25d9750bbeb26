"""Garbage collection: rare while a command starts, as before afterwards, and none when its process exits."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from battery_lab.common.garbage_collection import STARTING, postponed_collection

SEARCHES = "gc.callbacks.append(lambda phase, info: print('searched'))\n"


@pytest.fixture
def thresholds():
    """Set thresholds; those of before are restored."""
    before = gc.get_threshold()
    yield gc.set_threshold
    gc.set_threshold(*before)


@pytest.mark.parametrize("first", [700, 0, STARTING * 2])
def test_a_context_searches_rarely_and_restores_what_it_changed(thresholds, first):
    thresholds(first, 11, 12)
    frozen = gc.get_freeze_count()
    with postponed_collection():
        assert gc.get_threshold() == (0 if first == 0 else max(first, STARTING), 11, 12)
        with postponed_collection():
            pass
        assert gc.get_threshold()[0] != 700
    assert gc.get_threshold() == (first, 11, 12)
    assert gc.get_freeze_count() == frozen


def test_an_error_restores_too(thresholds):
    thresholds(701, 11, 12)
    with pytest.raises(KeyError), postponed_collection():
        raise KeyError
    assert gc.get_threshold() == (701, 11, 12)


def test_a_program_that_calls_a_command_keeps_its_collection_and_what_it_froze():
    code = """
import gc
from battery_lab.cli.main import main
gc.set_threshold(701, 11, 12)
gc.freeze()
main(["export", "--help"])
assert gc.get_threshold() == (701, 11, 12)
assert gc.get_freeze_count() > 0
gc.unfreeze()
"""
    assert "searched" in _run(code + SEARCHES).stdout


def test_the_program_itself_searches_nothing_at_its_end_and_keeps_output_and_status():
    code = """
import atexit, gc, sys
from battery_lab.common.garbage_collection import exit_without_collection
atexit.register(lambda: print("registered before"))
exit_without_collection()
gc.callbacks.append(lambda phase, info: print("searched", len(gc.get_objects())))
atexit.register(lambda: print("registered after"))
sys.exit(3)
"""
    done = _run(code)
    assert done.returncode == 3
    assert done.stdout.splitlines()[:2] == ["registered after", "registered before"]


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
