"""Bid curve network: bid and offer prices over the state of charge, not over quantity, from market features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class CurveSpec:
    """The place of the state of charge in an observation, and the shape of the curves.

    Attributes:
        knots: number of knots M, evenly spaced from the lowest to the highest state of charge; at least 2.
        state_numbers: how many numbers at the start of an observation depend on the state of charge. The first one is
            -1 at the lowest and 1 at the highest state of charge; the curves do not depend on any of them.
        price_number: number of an observation that bid and offer are compared with; None if both are the action.
        planned_number: first of 2 M numbers of an observation that are the bids and offers of a plan at the knots, from
            which the network departs; None without a plan.
    """

    knots: int
    state_numbers: int
    price_number: int | None
    planned_number: int | None = None


class BidCurveNetwork(nn.Module):
    """An encoder and a linear head that give curves; their values at the state of charge are bid and offer.

    If observations hold the bids of a plan, the head gives the difference from these.
    """

    def __init__(self, encoder: nn.Module, in_features: int, spec: CurveSpec) -> None:
        """Add a new head to an encoder."""
        super().__init__()
        self.encoder, self.spec = encoder, spec
        self.head = nn.Linear(in_features, 2 * spec.knots)
        if spec.planned_number is not None:
            # From a number of the observation to a bid or offer: fixed, and stored with the weights.
            self.register_buffer("planned_scale", torch.ones(2 * spec.knots))
            self.register_buffer("planned_shift", torch.zeros(2 * spec.knots))

    def features(self, observation: Tensor) -> Tensor:
        """Return the (N, in_features) features of the market in (N, D) observations."""
        state = self.spec.state_numbers
        out: Tensor = self.encoder(nn.functional.pad(observation[:, state:], (state, 0)))
        return out

    def curves(self, observation: Tensor) -> Tensor:
        """Return (N, 2, M) bids and offers at the knots for (N, D) observations."""
        out: Tensor = self.head(self.features(observation))
        first = self.spec.planned_number
        if first is not None:
            planned = observation[:, first : first + 2 * self.spec.knots]
            out = out + planned * self.get_buffer("planned_scale") + self.get_buffer("planned_shift")
        return out.view(-1, 2, self.spec.knots)

    def observed_price(self, observation: Tensor) -> Tensor:
        """Return the (N,) prices in (N, D) observations that bids are compared with."""
        number = self.spec.price_number
        if number is None:
            raise ValueError("this policy's bids are actions, which no observed price clears")
        return observation[:, number]

    def forward(self, observation: Tensor) -> Tensor:
        """Return (N, 2) bids and offers at the state of charge; crossed ones are replaced by their mean."""
        last = self.spec.knots - 1
        position = ((observation[:, 0] + 1) / 2 * last).clamp(0, last)
        # Piecewise linear interpolation as a sum over all knots, which every runtime computes alike.
        near = (1 - (position[:, None] - torch.arange(last + 1)).abs()).clamp(min=0)
        pair = (self.curves(observation) * near[:, None]).sum(dim=2)
        mean = pair.mean(dim=1, keepdim=True)
        return torch.where(pair[:, :1] > pair[:, 1:], mean, pair)


def cleared_direction(pair: Tensor, price: Tensor) -> Tensor:
    """Return the (N,) direction of a battery that knows the price: -1 buys, 1 sells, 0 holds.

    Args:
        pair: (N, 2) bids and offers.
        price: (N,) prices on the same scale.
    """
    return (price > pair[:, 1]).long() - (price < pair[:, 0]).long()
