"""Bid curve checkpoints: restored to the bit, also those of the first versions; damage and other options are errors."""

from __future__ import annotations

import json
import re

import pytest
import torch

from battery_lab.algos.bid_curve_checkpoint import STATE, TENSORS
from battery_lab.common.errors import DataError
from tests.algos.small_bid_curves import (
    check_equal,
    iterate,
    make_learner,
    state_of,
)
from tests.envs.small_world import make_option
from tests.small_batteries_and_series import make_series, wavy_prices

DAMAGES = {
    "no tensors": lambda folder: (folder / TENSORS).unlink(),
    "truncated tensors": lambda folder: (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:-9]),
    "no state": lambda folder: (folder / STATE).unlink(),
    "half a state": lambda folder: (folder / STATE).write_text((folder / STATE).read_text()[:50]),
    "a list": lambda folder: (folder / STATE).write_text("[]"),
    "no annealing": lambda folder: change_state(folder, annealed=None),
    "another annealing": lambda folder: change_state(folder, annealed={"lr": {"start": 1}, "sharpness": {}}),
    "no steps": lambda folder: change_state(folder, env_steps=None),
    "slices that are no numbers": lambda folder: change_state(folder, waiting=["first"]),
    "another random generator": lambda folder: change_state(folder, random={"bit_generator": "MT19937"}),
    "no random generator": lambda folder: change_state(folder, random=None),
}


def change_state(folder, **changes):
    (folder / STATE).write_text(json.dumps(json.loads((folder / STATE).read_text()) | changes))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_an_error_that_names_it(known, tmp_path, damage):
    learner = make_learner(known)
    learner.train()
    learner.save(tmp_path, None)
    DAMAGES[damage](tmp_path)
    with pytest.raises(DataError, match=f"{tmp_path} does not hold the state of this learner: .*earlier checkpoint"):
        learner.restore(tmp_path)


@pytest.mark.parametrize("changes", [{"knots": 4}, {"levels": 11}, {"slice_intervals": 90}])
def test_a_checkpoint_of_other_options_is_an_error(known, tmp_path, changes):
    learner = make_learner(known)
    learner.train()
    learner.save(tmp_path, None)
    with pytest.raises(DataError, match="does not hold the state of this learner"):
        make_learner(known, **changes).restore(tmp_path)


@pytest.mark.parametrize("number", [2, 0, "1", None])
def test_another_format_is_an_error_that_names_file_format_and_remedy(known, tmp_path, number):
    learner = make_learner(known)
    learner.save(tmp_path, None)
    change_state(tmp_path, format=number)
    expected = f"{tmp_path / STATE} has the format {number!r}, and this version reads format 1: resume with the version"
    with pytest.raises(DataError, match=re.escape(expected)):
        learner.restore(tmp_path)


def test_a_checkpoint_of_the_first_versions_which_wrote_no_format_is_restored(known, tmp_path):
    learner, restored = make_learner(known), make_learner(known)
    learner.train()
    learner.save(tmp_path, None)
    state = json.loads((tmp_path / STATE).read_text())
    del state["format"], state["annealed"]
    (tmp_path / STATE).write_text(json.dumps(state))
    restored.restore(tmp_path)
    assert restored.train() == learner.train()


def test_a_checkpoint_of_the_first_versions_on_a_series_with_gaps_keeps_its_network_and_starts_a_pass(tmp_path):
    series = make_series(wavy_prices(24))
    series.gap[2000:2100] = True
    world = make_option(tmp_path / "cache", series, actions="bids").open("continuous")
    learner, restored = make_learner(world), make_learner(world, seed=1)
    learner.train()
    learner.value_end, learner.occupancy_start = learner.value_end[:-1], learner.occupancy_start[:-1]
    learner.save(tmp_path, None)
    state = json.loads((tmp_path / STATE).read_text())
    del state["format"], state["annealed"]
    (tmp_path / STATE).write_text(json.dumps(state))
    restored.restore(tmp_path)
    for first, second in zip(learner.network.parameters(), restored.network.parameters(), strict=True):
        assert torch.equal(first, second)
    assert restored.env_steps == learner.env_steps
    restored.train()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_learner_that_is_restored_in_the_middle_of_a_pass_continues_to_the_bit(known, tmp_path, workers):
    steady, stopped, restored = (make_learner(known, num_workers=workers) for _ in range(3))
    iterate(steady, 5)
    iterate(stopped, 5)
    assert 0 < len(stopped.waiting) < len(stopped.value_end)
    stopped.save(tmp_path, None)
    iterations = len(stopped.value_end) // 4 + 2  # into the second pass
    iterate(restored, iterations)
    restored.restore(tmp_path)
    assert iterate(restored, iterations) == iterate(steady, iterations)
    check_equal(state_of(restored), state_of(steady))
    for learner in (steady, stopped, restored):
        learner.stop()
