"""A convolution over the price window beside dense layers for all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from battery_lab.common.errors import ConfigError, require
from battery_lab.envs.layout import Layout
from battery_lab.networks.base import activation, dense


class WindowEncoder(nn.Module):
    """Convolves the window and joins what it finds with the rest of the observation."""

    def __init__(self, convolution: nn.Module, head: nn.Module, first: int, size: int) -> None:
        """Hold the parts; the window stands at ``first`` and has ``size`` values."""
        super().__init__()
        self.convolution, self.head = convolution, head
        self._first, self._size = first, size

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (N, out_features) for (N, D + extra)."""
        end = self._first + self._size
        found = self.convolution(inputs[:, self._first : end].unsqueeze(1)).flatten(1)
        out: Tensor = self.head(torch.cat([inputs[:, : self._first], inputs[:, end:], found], dim=1))
        return out


@dataclass(frozen=True, kw_only=True)
class WindowConv:
    """The choice ``network=window_conv``.

    Attributes:
        channels: of each convolution.
        kernel: width of each convolution, intervals (of the layer below).
        stride: step of each convolution.
        hidden: units of the dense layers behind.
        activation: relu, tanh, silu, gelu or elu.
        shared_value: whether a value head shares the policy's layers.
    """

    channels: Sequence[int]
    kernel: Sequence[int]
    stride: Sequence[int]
    hidden: Sequence[int]
    activation: str
    shared_value: bool

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "stride", "hidden"):
            values = getattr(self, name)
            good = len(values) > 0 and all(isinstance(n, int) and 1 <= n <= 8192 for n in values)
            require(good, f"network.{name}", "must list one or more whole numbers from 1 to 8192", list(values))
        for name in ("kernel", "stride"):
            rule = f"must name one number for each of the {len(self.channels)} network.channels"
            require(len(getattr(self, name)) == len(self.channels), f"network.{name}", rule, list(getattr(self, name)))
        activation(self.activation)

    @property
    def out_features(self) -> int:
        """Units of the last layer."""
        return self.hidden[-1]

    def encoder(self, layout: Layout, extra: int = 0) -> nn.Module:
        """Return the encoder, (N, D + extra) to (N, out_features).

        Raises:
            ConfigError: the observation has no window, or one too short for the convolutions.
        """
        if layout.window_size == 0:
            raise ConfigError(
                "network=window_conv slides over a window of prices, and the observation set has none: "
                "choose observation=window, or network=mlp"
            )
        act = activation(self.activation)
        layers: list[nn.Module] = []
        length, below = layout.window_size, 1
        for channels, kernel, stride in zip(self.channels, self.kernel, self.stride, strict=True):
            layers += [nn.Conv1d(below, channels, kernel, stride), act()]
            length, below = (length - kernel) // stride + 1, channels
            rule = f"must leave at least one value of the window of {layout.window_size} intervals"
            require(length >= 1, "network.kernel", rule, list(self.kernel))
        rest = layout.size - layout.window_size + extra
        head = nn.Sequential(*dense([rest + length * below, *self.hidden], act))
        return WindowEncoder(nn.Sequential(*layers), head, layout.window_first, layout.window_size)
