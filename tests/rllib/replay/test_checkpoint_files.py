"""Checkpoint files of the replay buffer: exact restoration, hard links to unchanged segments, damage reported."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lab.common.errors import DataError
from battery_lab.rllib.replay import checkpoint_files
from battery_lab.rllib.replay.transition_replay import TransitionReplay
from tests.rllib.numbered_runner import NumberedRunner

OPTIONS = {"seed": 0, "n_step": 2, "gamma": 0.9, "alpha": 0.6, "beta": 0.4, "runners": 1, "prioritised": True}


def make_replay(**options):
    return TransitionReplay(**{"capacity": 100} | OPTIONS | options)


def filled(*rows, replay=None, runner=None):
    replay = make_replay() if replay is None else replay
    runner = runner or NumberedRunner()
    replay.add([runner.fragment(count) for count in rows])
    return replay, runner


def inodes(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("ring*.npy")}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_alike(one, two):
    """Assert that two buffers sample the same before and after updates of their priorities."""
    assert len(one) == len(two)
    for _ in range(3 * (len(one) > 0)):
        samples = [replay.sample(16) for replay in (one, two)]
        for name in samples[0]:
            np.testing.assert_array_equal(samples[0][name], samples[1][name])
        for replay in (one, two):
            replay.update_priorities(samples[0]["obs"][:, 3] % 5)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(checkpoint_files, "SEGMENT_TRANSITIONS", 16)


@settings(max_examples=25)
@given(
    script=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 30), st.booleans()), max_size=8),
    capacity=st.integers(1, 150),
    prioritised=st.booleans(),
)
def test_restored_buffer_continues_like_the_stored_one(script, capacity, prioritised):
    runners = [NumberedRunner(number, 2, number) for number in range(2)]
    options = {"capacity": capacity, "prioritised": prioritised, "runners": 2}
    replay, other, folder = make_replay(**options), make_replay(**options), None
    with tempfile.TemporaryDirectory() as parent:
        for place, (number, rows, restart) in enumerate(script):
            if restart:
                runners[number].restart()
            fragment = runners[number].fragment(rows)
            for each in (replay, other):
                each.add([fragment])
            assert_alike(replay, other)
            earlier, folder = folder, Path(parent) / str(place)
            (other if place % 2 else replay).save(folder, earlier)
            other = make_replay(**options | {"seed": 9})
            other.load(folder)


def loaded(folder, **options):
    replay = make_replay(**options)
    replay.load(folder)
    return replay


def test_empty_buffer_is_stored_with_its_generator(tmp_path):
    make_replay(seed=5).save(tmp_path, None)
    restored = loaded(tmp_path, seed=6)
    same, _ = filled(9, replay=make_replay(seed=5))
    filled(9, replay=restored)
    assert_alike(restored, same)


def test_final_segments_are_linked(tmp_path):
    replay, runner = filled(20)
    replay.save(tmp_path / "a", None)
    before = contents(tmp_path / "a")
    filled(7, replay=replay, runner=runner)
    replay.save(tmp_path / "b", tmp_path / "a")
    one, two = inodes(tmp_path / "a"), inodes(tmp_path / "b")
    linked = {name.split("-")[1] for name in one if one[name] == two.get(name)}
    # Eight rows a segment: two are complete, the third has grown since, the fourth is new.
    assert linked == {"000000000000", "000000000008"}
    assert {name.split("-")[1] for name in two} - linked == {"000000000016", "000000000024"}
    assert contents(tmp_path / "a") == before
    assert_alike(replay, loaded(tmp_path / "b"))
    replay.save(tmp_path / "c", tmp_path / "b")
    same = {name for name, inode in inodes(tmp_path / "c").items() if inode == two[name]}
    assert {name.split("-")[1] for name in same} == linked | {"000000000016"}


def test_resumed_buffer_links_to_the_files_it_read(tmp_path):
    replay, runner = filled(20)
    replay.save(tmp_path / "a", None)
    resumed = loaded(tmp_path / "a")
    filled(70, replay=resumed, runner=runner)
    resumed.save(tmp_path / "b", tmp_path / "a")
    assert not inodes(tmp_path / "a").keys() & inodes(tmp_path / "b").keys(), "the ring has wrapped around"
    again = loaded(tmp_path / "b")
    again.save(tmp_path / "c", tmp_path / "b")
    same = {name for name, inode in inodes(tmp_path / "c").items() if inode == inodes(tmp_path / "b")[name]}
    # The ring holds rows 40 to 90; rows from 88 on do not fill a segment yet.
    assert len(same) == 4 * len(range(40, 88, 8))
    assert_alike(again, loaded(tmp_path / "c"))


def test_segments_of_another_length_are_read_but_not_linked(tmp_path, monkeypatch):
    replay, _ = filled(30)
    replay.save(tmp_path / "a", None)
    monkeypatch.setattr(checkpoint_files, "SEGMENT_TRANSITIONS", 24)
    resumed = loaded(tmp_path / "a")
    resumed.save(tmp_path / "b", tmp_path / "a")
    assert not set(inodes(tmp_path / "a").values()) & set(inodes(tmp_path / "b").values())
    assert_alike(resumed, loaded(tmp_path / "b"))


def test_linked_segment_may_hold_dropped_rows(tmp_path):
    replay, runner = filled(48)
    replay.save(tmp_path / "a", None)
    filled(5, replay=replay, runner=runner)
    replay.save(tmp_path / "b", tmp_path / "a")
    name = "ring0-000000000000-obs.npy"
    assert inodes(tmp_path / "a")[name] == inodes(tmp_path / "b")[name]
    assert_alike(replay, loaded(tmp_path / "b"))
    # Without the earlier folder, only the remaining rows are stored.
    replay.save(tmp_path / "c", None)
    assert len(np.load(tmp_path / "b" / name)) == 8
    assert len(np.load(tmp_path / "c" / name)) == 5
    assert_alike(replay, loaded(tmp_path / "c"))


def test_files_of_another_branch_are_not_linked(tmp_path):
    replay, _ = filled(20)
    other, _ = filled(20, runner=NumberedRunner(seed=1))
    replay.save(tmp_path / "a", None)
    other.save(tmp_path / "other", None)
    other.save(tmp_path / "b", tmp_path / "a")
    one, two = inodes(tmp_path / "a"), inodes(tmp_path / "b")
    # Both have the same observations, but not the same actions.
    assert not {name for name in one if one[name] == two[name]} - {name for name in one if name.endswith("obs.npy")}
    assert_alike(other, loaded(tmp_path / "b"))


def test_truncated_file_is_not_linked(tmp_path):
    replay, _ = filled(20)
    replay.save(tmp_path / "a", None)
    cut = tmp_path / "a" / "ring0-000000000000-obs.npy"
    cut.write_bytes(cut.read_bytes()[:-1])
    (tmp_path / "a" / "ring0-000000000008-obs.npy").unlink()
    replay.save(tmp_path / "b", tmp_path / "a")
    assert_alike(replay, loaded(tmp_path / "b"))


def test_file_system_without_links_gets_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    replay, _ = filled(20)
    replay.save(tmp_path / "a", None)
    replay.save(tmp_path / "b", tmp_path / "a")
    one, two = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert one == two
    assert not set(inodes(tmp_path / "a").values()) & set(inodes(tmp_path / "b").values())


@pytest.mark.parametrize("previous", [None, "b"])
def test_saving_again_keeps_linked_files_of_other_folders(tmp_path, previous):
    replay, runner = filled(20)
    replay.save(tmp_path / "a", None)
    replay.save(tmp_path / "b", tmp_path / "a")
    before = contents(tmp_path / "a")
    filled(32, replay=replay, runner=runner)
    replay.save(tmp_path / "b", previous and tmp_path / previous)
    assert contents(tmp_path / "a") == before
    assert_alike(replay, loaded(tmp_path / "b"))


def test_save_stores_only_filled_rows_without_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_files, "SEGMENT_TRANSITIONS", 65_536)
    replay, runner = make_replay(capacity=1_000_000, prioritised=False), NumberedRunner(num_envs=64)
    fragment = runner.fragment(200)
    wide = replace(fragment, obs=np.zeros((201, 64, 70), np.float32))
    replay.add([wide])
    tracemalloc.start()
    replay.save(tmp_path, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert wide.obs.nbytes < size < 1.1 * wide.obs.nbytes
    assert peak < 0.1 * wide.obs.nbytes


@pytest.fixture
def stored(tmp_path):
    replay, _ = filled(20)
    replay.save(tmp_path / "stored", None)
    return tmp_path / "stored"


@pytest.mark.parametrize("name", ["ring0-000000000008-obs.npy", "priorities.npy", "replay.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "changed"])
def test_damaged_file_is_named(stored, name, damage):
    path = stored / name
    data = bytearray(path.read_bytes())
    # Change a digit of the index or a byte of an array.
    place = data.rindex(b'"row": 8') + 7 if name == "replay.json" else len(data) - 6
    data[place] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes({"cut": data[:-9], "empty": b"", "changed": data}[damage])
    with pytest.raises(DataError, match=rf"{path} (cannot be read|is damaged).*resume from another checkpoint"):
        loaded(stored)


def test_file_of_another_shape_is_rejected(stored):
    path = stored / "ring0-000000000008-obs.npy"
    np.save(path, np.zeros((8, 2, 5), np.float32))
    with pytest.raises(
        DataError, match=rf"{path} holds rows of \(2, 5\) float32, but this replay buffer needs \(2, 4\)"
    ):
        loaded(stored)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"capacity": 200}, "capacity 100, not 200"),
        ({"runners": 2}, "runners 1, not 2"),
        ({"prioritised": False}, "prioritised True, not False"),
        ({"alpha": 0.5}, "alpha 0.6, not 0.5"),
        ({"n_step": 60}, "rows 51, not 63"),
    ],
)
def test_buffer_of_another_size_is_rejected(stored, options, difference):
    with pytest.raises(
        DataError, match=rf"{stored / 'replay.json'} holds a replay buffer with {difference}: resume with"
    ):
        loaded(stored, **options)


def test_other_observation_shapes_are_rejected(stored):
    runner = NumberedRunner()
    fragment = runner.fragment(3)
    narrow = replace(fragment, obs=fragment.obs[..., :3])
    replay = make_replay()
    replay.add([narrow])
    with pytest.raises(DataError, match=r"replay.json.*observations \(4,\).*not.*observations \(3,\)"):
        replay.load(stored)
    with pytest.raises(DataError, match=r"needs .*observations \(4,\).*resume with"):
        loaded(stored).add([narrow])


def test_index_is_plain_json(stored):
    index = json.loads((stored / "replay.json").read_text())["contents"]
    assert index["state"]["rings"] == [{"runner": 0, "expected": 20, "newest": 20}]
    assert set(index["files"]) == {path.name for path in stored.glob("*.npy")}
