"""Network interface and building blocks: the encoder protocol, activations and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Protocol

from pydantic import Field
from torch import nn

from battery_lab.common.memory_limit import refuse_beyond_memory
from battery_lab.common.validated_options import Int
from battery_lab.envs.layout import Layout

Activation = Literal["relu", "tanh", "silu", "gelu", "elu"]
Size = Annotated[Int, Field(ge=1, le=8192)]
Sizes = Annotated[Sequence[Size], Field(min_length=1, max_length=100)]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}


class Network(Protocol):
    """An option of ``conf/network``.

    Attributes:
        shared_value: whether a value head shares the policy's encoder.
    """

    @property
    def shared_value(self) -> bool:
        """Whether a value head shares the policy's encoder."""

    @property
    def out_features(self) -> int:
        """Number of features that the encoder returns."""

    def encoder(self, layout: Layout, extra: int = 0) -> nn.Module:
        """Return a module from (N, D + extra) to (N, out_features).

        Args:
            layout: names and places of the D numbers in an observation.
            extra: further numbers after the observation, for instance the action that a critic values.

        Raises:
            ConfigError: the observation lacks something that the network needs.
        """


def check_size(sizes: Sequence[tuple[int, int]]) -> None:
    """Raise ConfigError where the weights of layers, with gradients and moments of Adam, exceed the machine's memory.

    Args:
        sizes: inputs and outputs of each layer; of a convolution, channels x width and channels.
    """
    weights = sum(inputs * outputs for inputs, outputs in sizes)
    content = f"a network of {weights:,} weights, with gradients and moments,"
    refuse_beyond_memory("network.hidden", [outputs for _, outputs in sizes], 16.0 * weights, content)


def dense(sizes: list[int], act: type[nn.Module]) -> list[nn.Module]:
    """Return linear layers through the sizes, each followed by its activation."""
    check_size(list(pairwise(sizes)))
    layers: list[nn.Module] = []
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        linear = nn.Linear(size, following)
        # Orthogonal weights preserve the scale of features and gradients with depth (Andrychowicz et al. 2021, 3.2).
        nn.init.orthogonal_(linear.weight, gain=2**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, act()]
    return layers
