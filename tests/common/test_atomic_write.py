"""Atomic writes: the new content or the old one, and nothing else in the folder."""

import os

import pytest

from battery_lab.common.atomic_write import atomic_path, atomic_write, replace_path


@pytest.mark.parametrize("content", ["naïve\n", b"\x00\xff"])
def test_content_replaces_the_file_and_leaves_nothing_beside_it(tmp_path, content):
    for _ in range(2):
        atomic_write(tmp_path / "file.json", content)
    assert (tmp_path / "file.json").read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_folder_replaces_a_folder_that_holds_files(tmp_path):
    for name in ("old", "new"):
        with atomic_path(tmp_path / "folder") as part:
            part.mkdir()
            (part / name).touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_temporary_path_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "array.npy") as part:
        part.touch()
        assert part.suffix == ".npy"
        assert part.parent == tmp_path


@pytest.mark.parametrize("is_folder", [False, True])
def test_error_keeps_the_old_content(tmp_path, is_folder):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="disk is full"), atomic_path(tmp_path / "file") as part:
        part.mkdir() if is_folder else part.write_text("half")
        raise OSError("disk is full")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_sync_reaches_the_disk_before_and_after_the_rename(tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("sync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("rename"), replace(*paths)))
    with atomic_path(tmp_path / "folder", sync=True) as part:
        part.mkdir()
        (part / "file").touch()
    assert events == ["sync", "sync", "rename", "sync"]


def test_folder_moves_over_a_folder_that_holds_files(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").touch()
    replace_path(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "new.txt"]
