"""Functional AdamW: torch's AdamW on plain tensors.

``torch.optim.AdamW.step`` imports torch's compiler, which takes 7 s; the function behind it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adamw import adamw

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamWState(NamedTuple):
    """The state of AdamW, one tensor per parameter.

    Attributes:
        exp_avg: means of the gradients.
        exp_avg_sq: means of their squares.
        step: numbers of steps, as tensors without dimensions.
    """

    exp_avg: list[Tensor]
    exp_avg_sq: list[Tensor]
    step: list[Tensor]

    @classmethod
    def zero(cls, parameters: Sequence[Tensor]) -> AdamWState:
        """Return the state before the first step."""
        first, second = ([torch.zeros_like(tensor) for tensor in parameters] for _ in range(2))
        return cls(first, second, [torch.zeros(()) for _ in parameters])


def adamw_step(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: AdamWState, *, lr: float, weight_decay: float
) -> None:
    """Update parameters and state in place (Loshchilov and Hutter 2019, arXiv 1711.05101)."""
    with torch.no_grad():
        adamw(
            list(parameters),
            list(gradients),
            state.exp_avg,
            state.exp_avg_sq,
            [],
            state.step,
            foreach=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=lr,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )
