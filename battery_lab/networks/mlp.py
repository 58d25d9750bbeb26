"""Multilayer perceptron."""

from __future__ import annotations

from torch import nn

from battery_lab.common.validated_options import options
from battery_lab.envs.layout import Layout
from battery_lab.networks.network import ACTIVATIONS, Activation, Sizes, dense


@options("network")
class Mlp:
    """The option ``network=mlp``.

    Attributes:
        hidden: units of each hidden layer.
        activation: activation after each layer.
        shared_value: whether a value head shares the policy's layers.
    """

    hidden: Sizes
    activation: Activation
    shared_value: bool

    @property
    def out_features(self) -> int:
        """Units of the last layer."""
        return self.hidden[-1]

    def encoder(self, layout: Layout, extra: int = 0) -> nn.Module:
        """Return the layers, (N, D + extra) to (N, out_features)."""
        return nn.Sequential(*dense([layout.size + extra, *self.hidden], ACTIVATIONS[self.activation]))
