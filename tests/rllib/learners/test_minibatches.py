"""Minibatches: rows gathered into reused memory."""

from __future__ import annotations

import torch

from battery_lab.rllib.learners.minibatches import MinibatchBuffer


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
