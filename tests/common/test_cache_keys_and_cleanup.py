"""Cache keys and cleanup: names follow code and libraries, and files not used for long are removed beyond a size."""

from __future__ import annotations

import os
import time

from battery_lab.common.cache_keys_and_cleanup import KINDS, YOUNG_S, key_of, mark_used, source_digest, trim_cache


def write(folder, name, *, hours_ago, size=100):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    used_at = time.time() - hours_ago * YOUNG_S
    os.utime(path, (used_at, used_at))
    return path


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_oldest_files_of_all_kinds_are_removed_first(tmp_path):
    for age, kind in enumerate(KINDS, start=2):
        write(tmp_path, f"{kind}/a.npy", hours_ago=age)
    write(tmp_path, "market-a.npz", hours_ago=20)
    trim_cache(tmp_path, kept_bytes=250)
    assert names(tmp_path) == {f"{kind}/a.npy" for kind in KINDS[:2]}


def test_files_of_the_last_hour_stay_however_large_they_are(tmp_path):
    write(tmp_path, "observations/old.npz", hours_ago=2)
    used = write(tmp_path, "observations/used.npz", hours_ago=3)
    write(tmp_path, "observations/new.npz", hours_ago=0.5, size=1000)
    mark_used(used)
    trim_cache(tmp_path, kept_bytes=0)
    assert names(tmp_path) == {"observations/used.npz", "observations/new.npz"}


def test_unfinished_files_of_a_killed_run_are_removed_and_others_are_left_alone(tmp_path):
    write(tmp_path, "hindsight/part-1-a.npy", hours_ago=2)
    write(tmp_path, "part-2-market-a.npz", hours_ago=2)
    left = {"hindsight/part-3-a.npy": 0.1, "hindsight/a.npy": 9, "part-of-a-book.txt": 9, "compiled/a.so": 9}
    for name, hours_ago in left.items():
        write(tmp_path, name, hours_ago=hours_ago)
    trim_cache(tmp_path)
    assert names(tmp_path) == set(left)


def test_a_cache_that_is_not_there_is_no_error(tmp_path):
    trim_cache(tmp_path / "none", kept_bytes=0)
    mark_used(tmp_path / "none")


def test_names_follow_what_they_are_made_of():
    assert key_of("a", 1) == key_of("a", 1)
    assert len({key_of("a", 1), key_of("a", 2), key_of("a", "1"), key_of(("a", 1))}) == 4


def test_the_hash_of_sources_follows_each_file_and_not_their_order(tmp_path):
    files = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in files:
        path.write_text("x = 1")
    before = source_digest(files)
    assert source_digest(reversed(files)) == before
    for path in files:
        path.write_text("x = 2")
        assert source_digest(files) != before
        path.write_text("x = 1")
