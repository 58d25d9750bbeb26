"""Minibatches: the rows of a batch for each gradient step, and a reusable buffer for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from battery_lab.rllib.gradient_step.autograd import Tensors


def minibatches(count: int, size: int, epochs: int, total: int, shuffle: bool) -> Iterator[Any]:
    """Yield an index into the batch per minibatch; number and size are those of RLlib's minibatches.

    All minibatches are full: the last one of an epoch continues with rows of the next epoch.

    Args:
        count: transitions in the batch.
        size: transitions per minibatch.
        epochs: passes over the batch.
        total: number of minibatches; 0 derives it from the epochs.
        shuffle: whether each epoch has a random order.
    """
    number = total or -(-count * epochs // size)
    if number == 1 and size == count:
        yield slice(None)
        return
    if not shuffle and count % size == 0:
        for k in range(number):
            start = k * size % count
            yield slice(start, start + size)
        return
    passes = -(-number * size // count)
    orders = [torch.randperm(count) if shuffle else torch.arange(count) for _ in range(passes)]
    yield from torch.split(torch.cat(orders)[: number * size], size)


class MinibatchBuffer:
    """Gathers rows of columns into memory that the next call overwrites.

    New memory would be slower, because the operating system clears it first.
    """

    def __init__(self) -> None:
        self._buffers: Tensors = {}

    def __call__(self, columns: Tensors, rows: Any) -> Tensors:
        """Return a minibatch of each column.

        Args:
            columns: each (transitions, ...).
            rows: a slice, or indices, (B,).
        """
        if isinstance(rows, slice):
            return {name: values[rows] for name, values in columns.items()}
        return {name: self._gather(name, values, rows.to(values.device)) for name, values in columns.items()}

    def _gather(self, name: str, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        shape = (len(rows), *values.shape[1:])
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape or buffer.dtype != values.dtype:
            buffer = self._buffers[name] = values.new_empty(shape)
        # Indexing with brackets would copy row by row on one thread.
        return torch.index_select(values, 0, rows, out=buffer)
