"""Checkpoints are complete or absent. A small class stands in for the learner."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass

import pytest

from battery_lab.common.errors import DataError
from battery_lab.experiment import checkpoint
from battery_lab.experiment.checkpoint import Progress


@dataclass
class StandInLearner:
    """Saves as RLlib does: files in folders in folders."""

    weights: str = "new"

    def save(self, folder, previous):
        inner = folder / "learner" / "module"
        inner.mkdir(parents=True)
        (inner / "weights").write_text(self.weights)

    def restore(self, folder):
        self.weights = (folder / "learner" / "module" / "weights").read_text()


class Broken(StandInLearner):
    def save(self, folder, previous):
        super().save(folder, previous)
        raise OSError(28, "No space left on device")


@pytest.fixture
def policy(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.json").write_text("best")
    return folder


def save(tmp_path, env_steps, learner=None, keep=2, **progress):
    state = Progress(env_steps=env_steps, **progress)
    return checkpoint.save(tmp_path / "checkpoints", learner or StandInLearner(), state, tmp_path / "policy", keep)


def test_a_checkpoint_of_an_earlier_version_is_restored(tmp_path, policy):
    path = save(tmp_path, 512, best=3.5, kept_capture=0.7, kept_env_steps=256)
    (path / "kept_policy").rename(path / "best_policy")
    state = json.loads((path / "state.json").read_text())
    state["best_capture"], state["best_env_steps"] = state.pop("kept_capture"), state.pop("kept_env_steps")
    state["files"] = {name.replace("kept_policy", "best_policy"): size for name, size in state["files"].items()}
    (path / "state.json").write_text(json.dumps(state))
    shutil.rmtree(policy)
    newest, progress = checkpoint.latest(tmp_path / "checkpoints")
    assert newest == path and progress == Progress(env_steps=512, best=3.5, kept_capture=0.7, kept_env_steps=256)
    checkpoint.restore(path, StandInLearner("old"), policy)
    assert (policy / "policy.json").read_text() == "best"


def test_restore_returns_what_was_saved(tmp_path, policy):
    path = save(tmp_path, 512, best=3.5, kept_capture=0.7, kept_env_steps=256, stale=1, data="digest")
    (policy / "policy.json").write_text("later")
    (policy / "extra").touch()
    newest, progress = checkpoint.latest(tmp_path / "checkpoints")
    assert newest == path
    assert progress == Progress(env_steps=512, best=3.5, kept_capture=0.7, kept_env_steps=256, stale=1, data="digest")
    learner = StandInLearner("old")
    checkpoint.restore(path, learner, policy)
    assert learner.weights == "new"
    assert [file.name for file in policy.iterdir()] == ["policy.json"]
    assert (policy / "policy.json").read_text() == "best"


def test_restore_removes_a_policy_that_is_newer_than_the_checkpoint(tmp_path):
    path = save(tmp_path, 512)
    (tmp_path / "policy").mkdir()
    checkpoint.restore(path, StandInLearner(), tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_newest_checkpoints_are_kept_and_listed_oldest_first(tmp_path):
    for env_steps in (512, 20_000, 1024, 9_999_999):
        save(tmp_path, env_steps, keep=3)
    names = [int(path.name) for path in checkpoint.list_checkpoints(tmp_path / "checkpoints")]
    assert names == [1024, 20_000, 9_999_999]
    newest, progress = checkpoint.latest(tmp_path / "checkpoints")
    assert (int(newest.name), progress.env_steps) == (9_999_999, 9_999_999)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_failed_save_keeps_the_previous_checkpoint_and_nothing_else(tmp_path, policy):
    path = save(tmp_path, 512)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 1024, Broken(), keep=1)
    assert list((tmp_path / "checkpoints").iterdir()) == [path]


def test_save_removes_what_a_kill_left(tmp_path):
    unfinished = tmp_path / "checkpoints" / "part-1234" / "rllib"
    unfinished.mkdir(parents=True)
    path = save(tmp_path, 512)
    assert list((tmp_path / "checkpoints").iterdir()) == [path]


@pytest.mark.parametrize("left", ["", "ne"])
def test_partly_copied_checkpoint_is_ignored(tmp_path, left):
    older, newer = save(tmp_path, 512), save(tmp_path, 1024)
    weights = newer / "learner" / "module" / "weights"
    weights.unlink()
    if left:
        weights.write_text(left)
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == older
    newest = save(tmp_path, 1536)
    assert sorted((tmp_path / "checkpoints").iterdir()) == [older, newest]


def test_checkpoint_of_an_earlier_version_has_no_file_sizes(tmp_path):
    path = save(tmp_path, 512)
    (path / "state.json").write_text('{"env_steps": 512}')
    assert checkpoint.latest(tmp_path / "checkpoints") == (path, Progress(env_steps=512))


def test_folder_without_state_is_ignored(tmp_path):
    path = save(tmp_path, 512)
    (tmp_path / "checkpoints" / "000000001024").mkdir()
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == path


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"env_step": 512}', '{"env_steps": 256}', "\xff"])
def test_damaged_checkpoint_is_an_error_with_a_remedy(tmp_path, text):
    first, second = save(tmp_path, 256), save(tmp_path, 512)
    (second / "state.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as error:
        checkpoint.latest(tmp_path / "checkpoints")
    assert str(error.value).startswith(f"{second}/state.json is damaged (")
    assert str(error.value).endswith(f"delete the folder of that checkpoint, {second}; the one before it is used then")
    shutil.rmtree(second)
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == first
    (first / "state.json").write_text("")
    with pytest.raises(DataError, match=f"so start again with rerun={tmp_path}"):
        checkpoint.latest(tmp_path / "checkpoints")


def test_second_save_at_the_same_step_replaces_the_first(tmp_path):
    save(tmp_path, 512, StandInLearner("first"))
    save(tmp_path, 512, StandInLearner("second"))
    (path,) = checkpoint.list_checkpoints(tmp_path / "checkpoints")
    learner = StandInLearner()
    checkpoint.restore(path, learner, tmp_path / "policy")
    assert learner.weights == "second"


def test_checkpoint_is_synced_before_its_rename_and_before_older_ones_are_removed(tmp_path, policy, monkeypatch):
    old, folder = save(tmp_path, 512), tmp_path / "checkpoints"
    done, fsync, replace, rmtree = [], os.fsync, os.replace, shutil.rmtree
    # A file keeps its inode number when its folder is renamed.
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_ino) or fsync(handle))
    monkeypatch.setattr(os, "replace", lambda *paths: replace(*paths) or done.append("renamed"))
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: done.append(f"remove {path}") or rmtree(path, **_))
    new = save(tmp_path, 1024, keep=1)
    renamed = done.index("renamed")
    assert {path.stat().st_ino for path in (new, *new.rglob("*"))} <= set(done[:renamed])
    assert done[renamed:].index(folder.stat().st_ino) < done[renamed:].index(f"remove {old}")
