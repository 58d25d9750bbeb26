"""Garbage collection: rare while a command starts, as usual afterwards, and excluded for what was loaded."""

from __future__ import annotations

import gc
import subprocess
import sys

from battery_lab.common.garbage_collection import STARTING, USUAL, postponed_collection, usual_collection


def test_a_context_restores_what_it_changed():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with postponed_collection():
        assert gc.get_threshold()[0] == STARTING
        with usual_collection():
            assert gc.get_threshold()[0] == USUAL
            assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] == STARTING
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_outside_of_a_command_nothing_is_kept():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with usual_collection():
        assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)


def test_the_end_of_a_process_searches_nothing_and_keeps_output_and_status():
    code = """
import atexit, gc, sys
from battery_lab.common.garbage_collection import postponed_collection
gc.callbacks.append(lambda phase, info: print("searched", info["collected"] + len(gc.get_objects())))
atexit.register(lambda: print("registered before"))
with postponed_collection():
    kept = [[] for _ in range(10)]
atexit.register(lambda: print("registered after"))
sys.exit(3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert lines[0] == "registered after"
    assert "registered before" in lines
