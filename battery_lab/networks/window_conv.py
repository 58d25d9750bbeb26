"""Window convolution: convolutions over the time window, and dense layers over all features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import options
from battery_lab.envs.layout import Layout
from battery_lab.networks.network import ACTIVATIONS, Activation, Sizes, check_size, dense


class WindowEncoder(nn.Module):
    """Convolves the window and concatenates the result with the rest of the observation."""

    def __init__(self, convolution: nn.Module, head: nn.Module, first: int, size: int) -> None:
        """Take the parts; the window starts at ``first`` and has ``size`` values."""
        super().__init__()
        self.convolution, self.head = convolution, head
        self._first, self._size = first, size

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (N, out_features) for (N, D + extra)."""
        end = self._first + self._size
        window = self.convolution(inputs[:, self._first : end].unsqueeze(1)).flatten(1)
        out: Tensor = self.head(torch.cat([inputs[:, : self._first], inputs[:, end:], window], dim=1))
        return out


@options("network")
class WindowConv:
    """The option ``network=window_conv``.

    Attributes:
        channels: output channels of each convolution.
        kernel: width of each convolution, in intervals (of the layer below).
        stride: step of each convolution, in intervals (of the layer below).
        hidden: units of the dense layers after the convolutions.
        activation: activation after each layer.
        shared_value: whether a value head shares the policy's layers.
    """

    channels: Sizes
    kernel: Sizes
    stride: Sizes
    hidden: Sizes
    activation: Activation
    shared_value: bool

    def __post_init__(self) -> None:
        for name in ("kernel", "stride"):
            rule = f"must have one number for each of the {len(self.channels)} network.channels"
            require(len(getattr(self, name)) == len(self.channels), f"network.{name}", rule, list(getattr(self, name)))

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
                "network=window_conv needs a time window, and the observation set has none: "
                "choose observation=window or network=mlp"
            )
        act = ACTIVATIONS[self.activation]
        layers: list[nn.Module] = []
        length, below = layout.window_size, 1
        for channels, kernel, stride in zip(self.channels, self.kernel, self.stride, strict=True):
            check_size([(below * kernel, channels)])
            layers += [nn.Conv1d(below, channels, kernel, stride), act()]
            length, below = (length - kernel) // stride + 1, channels
            rule = f"must leave at least one value of the {layout.window_size} intervals in the window"
            require(length >= 1, "network.kernel", rule, list(self.kernel))
        rest = layout.size - layout.window_size + extra
        head = nn.Sequential(*dense([rest + length * below, *self.hidden], act))
        return WindowEncoder(nn.Sequential(*layers), head, layout.window_first, layout.window_size)
