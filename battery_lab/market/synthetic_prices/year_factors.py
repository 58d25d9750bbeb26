"""Year factors of the synthetic market: how fuel prices, plants, solar power and spikes of a year differ."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from battery_lab.common.validated_options import options
from battery_lab.market.synthetic_prices.drivers import SignedPower

Factor = Annotated[float, Field(ge=0, le=20)]


@options("market.regimes")
class Regime:
    """The differences of one year from the others.

    Attributes:
        name: a description.
        fuel: factor on all offers above zero.
        shortage_mw: plant that is missing all year, MW; negative for additional plant.
        solar: factor on ``rooftop_mw`` and ``farms_mw``.
        spikes: factor on the rate of price spikes.
    """

    name: str
    fuel: Factor
    shortage_mw: SignedPower
    solar: Factor
    spikes: Factor
