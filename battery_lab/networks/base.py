"""What a network is to the algorithms and to a stored policy."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from battery_lab.common.errors import require_choice
from battery_lab.envs.layout import Layout

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}


class Network(Protocol):
    """A choice of conf/network.

    Attributes:
        shared_value: whether a value head shares the policy's encoder.
    """

    @property
    def shared_value(self) -> bool:
        """Whether a value head shares the policy's encoder."""

    @property
    def out_features(self) -> int:
        """How many features the encoder returns."""

    def encoder(self, layout: Layout, extra: int = 0) -> nn.Module:
        """Return a module from (N, D + extra) to (N, out_features).

        Args:
            layout: what stands where in the D numbers of an observation.
            extra: further numbers behind the observation, for instance an action that a critic judges.

        Raises:
            ConfigError: the observation lacks what the network needs.
        """


def activation(name: str) -> type[nn.Module]:
    """Return an activation by its name in YAML."""
    require_choice("network.activation", name, tuple(ACTIVATIONS))
    return ACTIVATIONS[name]


def dense(sizes: list[int], act: type[nn.Module]) -> list[nn.Module]:
    """Return linear layers through the sizes, each with its activation behind it."""
    layers: list[nn.Module] = []
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        linear = nn.Linear(size, following)
        # Orthogonal weights keep the scale of features and gradients through depth (Andrychowicz et al. 2021, 3.2).
        nn.init.orthogonal_(linear.weight, gain=2**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, act()]
    return layers
