"""A multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from battery_lab.common.errors import require
from battery_lab.envs.layout import Layout
from battery_lab.networks.base import activation, dense


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """The choice ``network=mlp``.

    Attributes:
        hidden: units of each hidden layer.
        activation: relu, tanh, silu, gelu or elu.
        shared_value: whether a value head shares the policy's layers.
    """

    hidden: Sequence[int]
    activation: str
    shared_value: bool

    def __post_init__(self) -> None:
        good = len(self.hidden) > 0 and all(isinstance(n, int) and 1 <= n <= 8192 for n in self.hidden)
        require(good, "network.hidden", "must list one or more layers of 1 to 8192 units", list(self.hidden))
        activation(self.activation)

    @property
    def out_features(self) -> int:
        """Units of the last layer."""
        return self.hidden[-1]

    def encoder(self, layout: Layout, extra: int = 0) -> nn.Module:
        """Return the layers, (N, D + extra) to (N, out_features)."""
        return nn.Sequential(*dense([layout.size + extra, *self.hidden], activation(self.activation)))
