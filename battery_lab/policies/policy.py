"""Trained policy: a network and the meaning of its inputs and outputs, stored without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from battery_lab.common.errors import DataError, require, require_choice
from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.bid_curve_network import BidCurveNetwork, cleared_direction
from battery_lab.policies.policy_spec import FORMAT, SPEC, read_curves, read_spec

DECISIONS = ("argmax", "clipped_mean", "tanh_mean", "cleared")
WEIGHTS = "weights.safetensors"


class PolicyNetwork(nn.Module):
    """An encoder and a linear head: (N, D) observations to (N, K) scores or action means."""

    def __init__(self, encoder: nn.Module, in_features: int, outputs: int) -> None:
        """Add a new head to an encoder."""
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(in_features, outputs)

    def forward(self, observation: Tensor) -> Tensor:
        """Return (N, K) scores of the actions, or their means."""
        out: Tensor = self.head(self.encoder(observation))
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Policy:
    """A deterministic policy.

    Attributes:
        network: maps observations to scores or means, or to a bid and an offer.
        decision: ``argmax`` over scores; ``clipped_mean`` or ``tanh_mean`` of a continuous action; ``cleared``: the
            network's bid and offer, cleared against the price in the observation.
        actions: the kind of actions, ``discrete`` or ``continuous``.
        layout: names and places of the numbers in an observation.
        action: the meaning of the actions.
        observation_state: what was fitted on the training period, as JSON.
        env_steps: environment steps of training before it was copied.
    """

    network: PolicyNetwork | BidCurveNetwork
    decision: str
    actions: str
    layout: Layout
    action: ActionMeaning
    observation_state: Mapping[str, Any]
    env_steps: int

    def __post_init__(self) -> None:
        require_choice("policy.decision", self.decision, DECISIONS)
        knows_price = self.price_number is not None
        rule = "must be cleared exactly if the network compares its bids with an observed price"
        require(knows_price == (self.decision == "cleared"), "policy.decision", rule, self.decision)

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return (N,) discrete or (N, K) continuous actions for (N, D) observations."""
        with torch.inference_mode():
            numbers = torch.from_numpy(observation)
            return np.asarray(self.decide(self.network(numbers), numbers))

    @property
    def knots(self) -> int | None:
        """Number of knots of its bid curves; None if it has none."""
        return self.network.spec.knots if isinstance(self.network, BidCurveNetwork) else None

    @property
    def price_number(self) -> int | None:
        """Number of the observed price that its bids are compared with; None if its actions are its bids, or power."""
        return self.network.spec.price_number if isinstance(self.network, BidCurveNetwork) else None

    def bids(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return bids and offers for (N, D) observations.

        Returns:
            Its actions if these are bids. Otherwise (N, 2) bids and offers on the scale of the price that it observes;
            see ``price_number``.
        """
        if self.price_number is None:
            return self(observation)
        with torch.inference_mode():
            return np.asarray(self.network(torch.from_numpy(observation)))

    def decide(self, out: Tensor, observation: Tensor) -> Tensor:
        """Return the actions that the network's output means."""
        if self.decision == "argmax":
            return out.argmax(dim=1)
        if isinstance(self.network, BidCurveNetwork) and self.decision == "cleared":
            return self._directed(cleared_direction(out, self.network.observed_price(observation)), out.dtype)
        return out.tanh() if self.decision == "tanh_mean" else out.clamp(-1.0, 1.0)

    def _directed(self, direction: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the actions of directions: -1 charges and 1 discharges at full power."""
        if self.actions == "continuous":
            return direction[:, None].to(dtype)
        return (direction + 1) * ((len(self.action.values[0]) - 1) // 2)  # the middle one of the actions holds

    def save(self, folder: Path) -> None:
        """Write the policy to a folder as JSON and safetensors, which execute no code when read."""
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "format": FORMAT,
            "decision": self.decision,
            "actions": self.actions,
            "outputs": self.network.head.out_features,
            "observation_size": self.layout.size,
            "observation_state": dict(self.observation_state),
            "layout": asdict(self.layout),
            "action": asdict(self.action),
            "env_steps": self.env_steps,
        }
        if isinstance(self.network, BidCurveNetwork):
            spec["curves"] = asdict(self.network.spec)
            # The head gives knots; what counts for another environment is how many actions or numbers follow from them.
            spec["outputs"] = len(self.action.values[0] if self.actions == "discrete" else self.action.names)
        save_file({k: v.contiguous() for k, v in self.network.state_dict().items()}, folder / WEIGHTS)
        (folder / SPEC).write_text(json.dumps(spec, indent=1))


def policy_from_actor(
    actor: tuple[nn.Module, nn.Linear, str],
    encoder: nn.Module,
    *,
    actions: str,
    layout: Layout,
    action: ActionMeaning,
    observation_state: Mapping[str, Any],
    env_steps: int,
) -> Policy:
    """Copy a policy from a network that continues to train.

    Args:
        actor: the trained encoder and head, and the decision.
        encoder: another encoder of the same network and observation layout; its weights are replaced.
        actions: see ``Policy``.
        layout: see ``Policy``.
        action: see ``Policy``.
        observation_state: see ``Policy``.
        env_steps: see ``Policy``.
    """
    trained, head, decision = actor
    network = PolicyNetwork(encoder, head.in_features, head.out_features)
    network.encoder.load_state_dict(trained.state_dict())
    network.head.load_state_dict(head.state_dict())
    return Policy(
        network=network.eval(),
        decision=decision,
        actions=actions,
        layout=layout,
        action=action,
        observation_state=observation_state,
        env_steps=env_steps,
    )


def load(folder: Path, encoder: nn.Module, in_features: int, *, layout: Layout, action: ActionMeaning) -> Policy:
    """Read a policy written by ``Policy.save``.

    Args:
        folder: folder of the policy.
        encoder: an encoder of the same network and observation layout; its weights are replaced.
        in_features: number of features that the encoder returns.
        layout: names and places of the numbers in an observation.
        action: the meaning of the actions.

    Raises:
        DataError: there is no policy, or its weights do not fit the encoder.
    """
    spec = read_spec(folder)
    network: PolicyNetwork | BidCurveNetwork
    if "curves" in spec:
        network = BidCurveNetwork(encoder, in_features, read_curves(folder, spec["curves"]))
    else:
        network = PolicyNetwork(encoder, in_features, int(spec["outputs"]))
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{folder / WEIGHTS} does not hold the weights of this network: {error}") from None
    return Policy(
        network=network.eval(),
        decision=spec["decision"],
        actions=spec["actions"],
        layout=layout,
        action=action,
        observation_state=spec["observation_state"],
        env_steps=int(spec["env_steps"]),
    )
