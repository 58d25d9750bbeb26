"""Cache of compiled programs: clean-up of old programs and leftovers, and the lock of a compilation."""

from __future__ import annotations

import os
import time

from battery_lab.rllib.gradient_step import program_cache_lock_and_cleanup
from battery_lab.rllib.gradient_step.program_cache_lock_and_cleanup import clean, lock_path, try_lock


def test_cache_keeps_the_newest_programs_and_removes_old_leftovers(tmp_path, monkeypatch):
    monkeypatch.setattr(program_cache_lock_and_cleanup, "MAX_CACHED_PROGRAMS", 2)
    for age, name in enumerate("abcd"):
        for suffix in (".pt2", ".json"):
            path = tmp_path / f"{name}{suffix}"
            path.touch()
            os.utime(path, (1e9 - age, 1e9 - age))
    for name, modified in (("old", 1e9), ("new", time.time())):
        (tmp_path / f"0123abcd_{name}").mkdir()
        (tmp_path / f"{name}.lock").touch()
        for path in (tmp_path / f"0123abcd_{name}", tmp_path / f"{name}.lock"):
            os.utime(path, (modified, modified))
    clean(tmp_path)
    programs = {"a.pt2", "a.json", "b.pt2", "b.json"}
    assert {path.name for path in tmp_path.iterdir()} == programs | {"0123abcd_new", "new.lock"}


def test_lock_is_free_after_its_holder_closed_it(tmp_path):
    package = tmp_path / "program.pt2"
    lock = try_lock(package)
    assert lock is not None and try_lock(package) is None
    lock.close()
    assert try_lock(package) is not None


def test_removed_lock_file_can_be_locked_again(tmp_path):
    package = tmp_path / "program.pt2"
    first = try_lock(package)
    lock_path(package).unlink()
    second = try_lock(package)
    assert first is not None and second is not None
    assert try_lock(package) is None
