"""RLlib encoders and catalogs that use the lab's networks."""

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
from battery_lab.networks.network import Network

NETWORK = "battery_lab_network"


class NetworkEncoder(TorchModel, Encoder):  # type: ignore[misc]
    """An RLlib encoder that wraps a network of the lab."""

    def __init__(self, config: NetworkEncoderConfig) -> None:
        """Build the encoder of the network."""
        TorchModel.__init__(self, config)
        Encoder.__init__(self, config)
        self.net = config.network.encoder(config.layout, config.extra)
        self._with_actions = config.extra > 0

    @property
    def plain_network(self) -> nn.Module | None:
        """The network, if the encoder does nothing else; None otherwise."""
        overridden = type(self)._forward is not NetworkEncoder._forward
        return None if self._with_actions or overridden else self.net

    def _forward(self, inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        obs = inputs[Columns.OBS]
        features = self._critic_features(obs, inputs[Columns.ACTIONS]) if self._with_actions else self.net(obs)
        return {ENCODER_OUT: features}

    def _critic_features(self, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return the features of observations followed by actions."""
        first, *others = self.net if isinstance(self.net, nn.Sequential) else [self.net]
        if not isinstance(first, nn.Linear):
            features: torch.Tensor = self.net(torch.cat([obs, action], dim=-1))
            return features
        # Equal to the network of the concatenation, but nothing is copied, and the gradient with respect to the action
        # does not need the one with respect to the observation.
        obs_weight, action_weight = torch.split(first.weight, [obs.shape[-1], action.shape[-1]], dim=1)
        hidden = functional.linear(obs, obs_weight, first.bias) + functional.linear(action, action_weight)
        for layer in others:
            hidden = layer(hidden)
        return hidden


@dataclass
class NetworkEncoderConfig(ModelConfig):  # type: ignore[misc]
    """Configuration from which RLlib's catalogs build an encoder.

    Attributes:
        network: the network.
        layout: layout of the observation.
        extra: size of the action that follows the observation; 0 if there is none.
    """

    network: Network = None  # type: ignore[assignment]
    layout: Layout = None  # type: ignore[assignment]
    extra: int = 0

    @property
    def output_dims(self) -> tuple[int]:
        """Number of features that the encoder returns."""
        return (self.network.out_features,)

    def build(self, framework: str = "torch") -> NetworkEncoder:
        """Return the encoder."""
        return NetworkEncoder(self)


def _encoder_config(model_config: dict[str, Any], extra: int = 0) -> NetworkEncoderConfig:
    network, layout = model_config[NETWORK]
    return NetworkEncoderConfig(input_dims=[layout.size + extra], network=network, layout=layout, extra=extra)


class _NetworkCatalog:
    """A catalog mixin that uses the lab's network in place of one of RLlib's."""

    @classmethod
    def _get_encoder_config(
        cls, observation_space: gym.Space[Any], model_config_dict: dict[str, Any], action_space: Any = None
    ) -> NetworkEncoderConfig:
        return _encoder_config(model_config_dict)


class LabPPOCatalog(_NetworkCatalog, PPOCatalog):  # type: ignore[misc]
    """RLlib's PPO catalog with the lab's network."""


class LabDQNCatalog(_NetworkCatalog, DQNCatalog):  # type: ignore[misc]
    """RLlib's DQN catalog with the lab's network."""


class LabSACCatalog(_NetworkCatalog, SACCatalog):  # type: ignore[misc]
    """RLlib's SAC catalog with the lab's network; a continuous critic takes the observation and the action."""

    def _build_qf_encoder_continuous(self, framework: str) -> NetworkEncoder:
        return _encoder_config(self._model_config_dict, extra=self.action_space.shape[0]).build(framework)
