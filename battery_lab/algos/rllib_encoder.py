"""The lab's networks as RLlib encoders, for the catalogs of all algorithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
from ray.rllib.algorithms.dqn.dqn_catalog import DQNCatalog
from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
from ray.rllib.algorithms.sac.sac_catalog import SACCatalog
from ray.rllib.core.columns import Columns
from ray.rllib.core.models.base import ENCODER_OUT, Encoder
from ray.rllib.core.models.configs import ModelConfig
from ray.rllib.core.models.torch.base import TorchModel
from torch import nn
from torch.nn import functional

from battery_lab.envs.layout import Layout
from battery_lab.networks.base import Network

NETWORK = "battery_lab_network"


class NetworkEncoder(TorchModel, Encoder):  # type: ignore[misc]
    """An RLlib encoder around a network of the lab."""

    def __init__(self, config: NetworkEncoderConfig) -> None:
        """Build the network's encoder."""
        TorchModel.__init__(self, config)
        Encoder.__init__(self, config)
        self.net = config.network.encoder(config.layout, config.extra)
        self._with_actions = config.extra > 0

    @property
    def plain_network(self) -> nn.Module | None:
        """The network, if it alone makes features of observations."""
        own = type(self)._forward is not NetworkEncoder._forward
        return None if self._with_actions or own else self.net

    def _forward(self, inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        seen = inputs[Columns.OBS]
        return {ENCODER_OUT: self._judged(seen, inputs[Columns.ACTIONS]) if self._with_actions else self.net(seen)}

    def _judged(self, seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return features of observations with actions behind them."""
        first, *others = self.net if isinstance(self.net, nn.Sequential) else [self.net]
        if not isinstance(first, nn.Linear):
            features: torch.Tensor = self.net(torch.cat([seen, action], dim=-1))
            return features
        # The same, but that nothing is copied, and that no gradient of the observation is made for the action's.
        of_seen, of_action = torch.split(first.weight, [seen.shape[-1], action.shape[-1]], dim=1)
        hidden = functional.linear(seen, of_seen, first.bias) + functional.linear(action, of_action)
        for layer in others:
            hidden = layer(hidden)
        return hidden


@dataclass
class NetworkEncoderConfig(ModelConfig):  # type: ignore[misc]
    """What RLlib's catalogs build an encoder from.

    Attributes:
        network: the network.
        layout: of the observation.
        extra: numbers of an action that the encoder sees behind the observation.
    """

    network: Network = None  # type: ignore[assignment]
    layout: Layout = None  # type: ignore[assignment]
    extra: int = 0

    @property
    def output_dims(self) -> tuple[int]:
        """How many features the encoder returns."""
        return (self.network.out_features,)

    def build(self, framework: str = "torch") -> NetworkEncoder:
        """Return the encoder."""
        return NetworkEncoder(self)


def _encoder_config(model_config: dict[str, Any], extra: int = 0) -> NetworkEncoderConfig:
    network, layout = model_config[NETWORK]
    return NetworkEncoderConfig(input_dims=[layout.size + extra], network=network, layout=layout, extra=extra)


class _NetworkCatalog:
    """Puts the lab's network where a catalog would choose one of RLlib's."""

    @classmethod
    def _get_encoder_config(
        cls, observation_space: gym.Space[Any], model_config_dict: dict[str, Any], action_space: Any = None
    ) -> NetworkEncoderConfig:
        return _encoder_config(model_config_dict)


class LabPPOCatalog(_NetworkCatalog, PPOCatalog):  # type: ignore[misc]
    """PPO's parts around the lab's network."""


class LabDQNCatalog(_NetworkCatalog, DQNCatalog):  # type: ignore[misc]
    """DQN's parts around the lab's network."""


class LabSACCatalog(_NetworkCatalog, SACCatalog):  # type: ignore[misc]
    """SAC's parts around the lab's network; a continuous critic sees the action beside the observation."""

    def _build_qf_encoder_continuous(self, framework: str) -> NetworkEncoder:
        return _encoder_config(self._model_config_dict, extra=self.action_space.shape[0]).build(framework)
