"""Which rows of a batch make each gradient step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from battery_lab.rllib.gradient_step.autograd import Tensors


def minibatches(count: int, size: int, epochs: int, total: int, shuffle: bool) -> Iterator[Any]:
    """Yield what to index a batch with, minibatch by minibatch: as many, and as full, as RLlib's own.

    Minibatches are always full: the last one of an epoch goes on with the next epoch.

    Args:
        count: transitions in the batch.
        size: transitions a minibatch.
        epochs: passes over the batch, each in an order of its own if ``shuffle``.
        total: how many minibatches in any case; 0 leaves it to the epochs.
        shuffle: whether the order is drawn.
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


class Chosen:
    """Some rows of columns, in memory that the next call writes over: new memory is cleared by the system first."""

    def __init__(self) -> None:
        """Begin without memory."""
        self._kept: Tensors = {}

    def __call__(self, columns: Tensors, rows: Any) -> Tensors:
        """Return minibatches of columns.

        Args:
            columns: each (transitions, ...).
            rows: a slice, or numbers, (B,).
        """
        if isinstance(rows, slice):
            return {name: values[rows] for name, values in columns.items()}
        return {name: self._taken(name, values, rows.to(values.device)) for name, values in columns.items()}

    def _taken(self, name: str, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        shape = (len(rows), *values.shape[1:])
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape or kept.dtype != values.dtype:
            kept = self._kept[name] = values.new_empty(shape)
        # Brackets would copy row by row, on one thread.
        return torch.index_select(values, 0, rows, out=kept)
