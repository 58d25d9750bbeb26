"""Minibatches: each row once per epoch, in batches as many and as large as RLlib's, gathered into reused memory."""

from __future__ import annotations

import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns

from battery_lab.rllib.learners.minibatches import MinibatchBuffer, minibatches
from tests.rllib.learners.ppo_learners import build_both
from tests.rllib.rllib_episodes import episodes_of

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize(("count", "size"), [(12, 4), (10, 4), (3, 4)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_row_is_used_once_per_epoch_and_all_minibatches_are_full(count, size, shuffle):
    torch.manual_seed(0)
    batches = [torch.arange(count)[rows].tolist() for rows in minibatches(count, size, 3, 0, shuffle)]
    assert [len(batch) for batch in batches] == [size] * -(-3 * count // size)
    used = [row for batch in batches for row in batch]
    epochs = [used[start : start + count] for start in range(0, 3 * count, count)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert (epochs[0] == list(range(count))) is not shuffle


def test_number_of_minibatches_may_be_given_and_one_of_the_whole_batch_is_a_slice():
    assert len(list(minibatches(10, 4, 3, 5, shuffle=True))) == 5
    assert list(minibatches(10, 10, 1, 0, shuffle=True)) == [slice(None)]


def test_minibatch_buffer_gathers_rows_into_reused_memory():
    buffer = MinibatchBuffer()
    columns = {"obs": torch.arange(12.0).reshape(6, 2), "actions": torch.arange(6)}
    first = buffer(columns, torch.tensor([4, 0]))
    assert first["obs"].tolist() == [[8, 9], [0, 1]] and first["actions"].tolist() == [4, 0]
    second = buffer(columns, torch.tensor([5, 5]))
    assert second["actions"].tolist() == [5, 5] and second["obs"].data_ptr() == first["obs"].data_ptr()
    assert buffer(columns, torch.tensor([1, 2, 3]))["obs"].tolist() == [[2, 3], [4, 5], [6, 7]]
    doubles = {name: values.double() for name, values in columns.items()}
    assert buffer(doubles, torch.tensor([1, 2, 3]))["obs"].dtype == torch.float64
    assert buffer(columns, slice(2, 3))["actions"].tolist() == [2]


def test_number_and_size_of_minibatches_equal_rllibs():
    ours, stock, fragment = build_both()
    seen = {"ours": [], "stock": []}
    step, update = ours.step, stock._update
    ours.step = lambda batch, timesteps: (seen["ours"].append(len(batch[Columns.OBS])), step(batch, timesteps))[1]
    stock._update = lambda batch: (
        seen["stock"].append(int(batch[DEFAULT_MODULE_ID][Columns.LOSS_MASK].sum())),
        update(batch),
    )[1]
    ours.update(episodes=[fragment], num_epochs=4, minibatch_size=32, shuffle_batch_per_epoch=True)
    stock.update(episodes=episodes_of(fragment), num_epochs=4, minibatch_size=32, shuffle_batch_per_epoch=True)
    assert seen["ours"] == [32] * -(-4 * len(fragment) // 32)
    # RLlib's minibatches also contain rows without a transition.
    assert sum(seen["ours"]) == pytest.approx(sum(seen["stock"]), rel=0.1)
