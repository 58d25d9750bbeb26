"""Options of networks: windows that convolutions need, and errors that name the field."""

from __future__ import annotations

import pytest

from battery_lab.common.errors import ConfigError
from tests.compositions import option


def test_window_conv_needs_a_window(worlds):
    network = option("network", "window_conv", ["network.hidden=[16]"])
    with pytest.raises(ConfigError, match=r"choose observation=window or network=mlp"):
        network.encoder(worlds("discrete").layout)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("network.hidden=[]", "network.hidden"),
        ("network.hidden=[0]", "network.hidden"),
        ("network.activation=step", "network.activation"),
    ],
)
def test_invalid_network_option_is_rejected(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "mlp", [override])


@pytest.mark.parametrize(
    ("override", "named"),
    [("network.kernel=[9]", "network.kernel"), ("network.stride=[0,1]", "network.stride")],
)
def test_invalid_convolution_option_is_rejected(override, named):
    with pytest.raises(ConfigError, match=named):
        option("network", "window_conv", [override])


def test_window_shorter_than_the_convolutions_is_rejected(worlds):
    world = worlds("discrete", "window_conv")
    with pytest.raises(ConfigError, match="network.kernel must leave at least one value"):
        option("network", "window_conv", ["network.kernel=[300,5]"]).encoder(world.layout)
