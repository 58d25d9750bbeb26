"""Checkpoints that are whole or not there, with a stand-in for the algorithm."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from battery_lab.common.errors import DataError
from battery_lab.experiment import checkpoint
from battery_lab.experiment.checkpoint import Progress


@dataclass
class Algorithm:
    """Saves as RLlib does: files in folders in folders."""

    weights: str = "new"

    def save_to_path(self, path):
        inner = Path(path) / "learner" / "module"
        inner.mkdir(parents=True)
        (inner / "weights").write_text(self.weights)

    def restore_from_path(self, path):
        self.weights = (Path(path) / "learner" / "module" / "weights").read_text()


class Broken(Algorithm):
    def save_to_path(self, path):
        super().save_to_path(path)
        raise OSError(28, "No space left on device")


@pytest.fixture
def policy(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.json").write_text("best")
    return folder


def save(tmp_path, env_steps, algorithm=None, keep=2, **progress):
    state = Progress(env_steps=env_steps, **progress)
    return checkpoint.save(tmp_path / "checkpoints", algorithm or Algorithm(), state, tmp_path / "policy", keep)


def test_what_is_saved_comes_back(tmp_path, policy):
    path = save(tmp_path, 512, best=3.5, best_capture=0.7, best_env_steps=256, stale=1, data="digest")
    (policy / "policy.json").write_text("later")
    (policy / "extra").touch()
    found, progress = checkpoint.latest(tmp_path / "checkpoints")
    assert found == path
    assert progress == Progress(env_steps=512, best=3.5, best_capture=0.7, best_env_steps=256, stale=1, data="digest")
    algorithm = Algorithm("old")
    checkpoint.restore(path, algorithm, policy)
    assert algorithm.weights == "new"
    assert [file.name for file in policy.iterdir()] == ["policy.json"]
    assert (policy / "policy.json").read_text() == "best"


def test_a_policy_that_was_kept_after_a_checkpoint_without_one_goes(tmp_path):
    path = save(tmp_path, 512)
    (tmp_path / "policy").mkdir()
    checkpoint.restore(path, Algorithm(), tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_the_newest_stay_and_come_oldest_first(tmp_path):
    for env_steps in (512, 20_000, 1024, 9_999_999):
        save(tmp_path, env_steps, keep=3)
    names = [int(path.name) for path in checkpoint.found(tmp_path / "checkpoints")]
    assert names == [1024, 20_000, 9_999_999]
    newest, progress = checkpoint.latest(tmp_path / "checkpoints")
    assert (int(newest.name), progress.env_steps) == (9_999_999, 9_999_999)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_it_and_nothing_else(tmp_path, policy):
    path = save(tmp_path, 512)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 1024, Broken(), keep=1)
    assert list((tmp_path / "checkpoints").iterdir()) == [path]


def test_what_a_kill_left_is_cleared_away(tmp_path):
    torn = tmp_path / "checkpoints" / "part-1234" / "rllib"
    torn.mkdir(parents=True)
    path = save(tmp_path, 512)
    assert list((tmp_path / "checkpoints").iterdir()) == [path]


@pytest.mark.parametrize("left", ["", "ne"])
def test_one_that_was_carried_here_in_part_is_no_checkpoint(tmp_path, left):
    older, newer = save(tmp_path, 512), save(tmp_path, 1024)
    weights = newer / "rllib" / "learner" / "module" / "weights"
    weights.unlink()
    if left:
        weights.write_text(left)
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == older
    newest = save(tmp_path, 1536)
    assert sorted((tmp_path / "checkpoints").iterdir()) == [older, newest]


def test_one_of_an_earlier_lab_counts_without_a_list_of_its_files(tmp_path):
    path = save(tmp_path, 512)
    (path / "state.json").write_text('{"env_steps": 512}')
    assert checkpoint.latest(tmp_path / "checkpoints") == (path, Progress(env_steps=512))


def test_a_folder_without_its_state_is_no_checkpoint(tmp_path):
    path = save(tmp_path, 512)
    (tmp_path / "checkpoints" / "000000001024").mkdir()
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == path


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"env_step": 512}', '{"env_steps": 256}', "\xff"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path, text):
    first, second = save(tmp_path, 256), save(tmp_path, 512)
    (second / "state.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as told:
        checkpoint.latest(tmp_path / "checkpoints")
    assert str(told.value).startswith(f"{second}/state.json is damaged (")
    assert str(told.value).endswith(f"delete the folder of that checkpoint, {second}, and the one before it is used")
    shutil.rmtree(second)
    assert checkpoint.latest(tmp_path / "checkpoints")[0] == first
    (first / "state.json").write_text("")
    with pytest.raises(DataError, match=f"and start again with rerun={tmp_path}"):
        checkpoint.latest(tmp_path / "checkpoints")


def test_saving_again_at_the_same_step_takes_the_place_of_the_first(tmp_path):
    save(tmp_path, 512, Algorithm("first"))
    save(tmp_path, 512, Algorithm("second"))
    (path,) = checkpoint.found(tmp_path / "checkpoints")
    algorithm = Algorithm()
    checkpoint.restore(path, algorithm, tmp_path / "policy")
    assert algorithm.weights == "second"


def test_the_disk_holds_all_before_the_name_and_the_name_before_others_go(tmp_path, policy, monkeypatch):
    old, folder = save(tmp_path, 512), tmp_path / "checkpoints"
    done, fsync, replace, rmtree = [], os.fsync, os.replace, shutil.rmtree
    # A file keeps its number when the folder above it is given another name.
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_ino) or fsync(handle))
    monkeypatch.setattr(os, "replace", lambda *paths: replace(*paths) or done.append("named"))
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: done.append(f"drop {path}") or rmtree(path, **_))
    new = save(tmp_path, 1024, keep=1)
    named = done.index("named")
    assert {path.stat().st_ino for path in (new, *new.rglob("*"))} <= set(done[:named])
    assert done[named:].index(folder.stat().st_ino) < done[named:].index(f"drop {old}")
