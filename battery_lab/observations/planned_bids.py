"""Planned bids: the marginal bids of a plan on all that is known of the coming prices, as features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from battery_lab.common.errors import require
from battery_lab.common.validated_options import Highest, Int, Unit, options
from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.market.forecasts.future_values import PRICE
from battery_lab.market.forecasts.newest_vintages import ranked_products
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.feature import Block
from battery_lab.observations.market_history import History
from battery_lab.planning.vintage_plan import known_values, new_rhythm, planned_bids

BID, OFFER = "planned bid ", "planned offer "


@options("observation feature PlannedBids")
class PlannedBids:
    """What the baseline ``receding_horizon`` would bid at several states of charge, on the scale of prices.

    It plans on prices that are published ahead, forecasts, and mean prices of past days, in this order. The price of
    the interval itself is not used. ``algo=bid_curves`` learns how far to depart from these bids.

    Attributes:
        battery: the battery that is planned for.
        horizon_h: how far ahead each plan looks, hours.
        replan_minutes: longest time from one plan to the next, minutes; news makes a plan at once.
        days: number of past days in the mean price of a time of day.
        forecasts: names of the vintages of the price to plan on; None: all.
        knots: number of states of charge, evenly spaced from the lowest to the highest; ``algo.knots`` of bid curves.
    """

    battery: Battery
    horizon_h: Annotated[float, Field(gt=0), Highest(8784), Unit("hours")]
    replan_minutes: Annotated[float, Field(gt=0), Highest(527_040), Unit("minutes")]
    days: Annotated[Int, Field(ge=1), Highest(366), Unit("days")]
    forecasts: Sequence[str] | None
    knots: Annotated[Int, Field(ge=2, le=100)]

    def __post_init__(self) -> None:
        rule = f"must be at most PlannedBids.horizon_h = {self.horizon_h} hours"
        require(self.replan_minutes <= 60 * self.horizon_h, "PlannedBids.replan_minutes", rule, self.replan_minutes)

    @property
    def look_back_h(self) -> float:
        return 24.0 * self.days

    def build(self, history: History) -> Block:
        """Return one column per knot for the bids, and then for the offers.

        Raises:
            ConfigError: the market has no such forecast.
        """
        return Block(values=history.planned(self._bids), names=_names(self.knots))

    def _bids(self, series: MarketSeries, price_lag: int) -> Array:
        ranks = ranked_products(series, PRICE, self.forecasts, "PlannedBids.forecasts")
        # The price of the row itself decides between bid and offer, so that a plan never needs it.
        known = known_values(series, max(price_lag, 1), ranks)
        rhythm = new_rhythm(series, self.horizon_h, self.replan_minutes, self.days)
        return planned_bids(known, series.gap, rhythm, self.battery, series.interval_h, self.knots)


def planned_numbers(names: Sequence[str], knots: int) -> int | None:
    """Return the first of the numbers of an observation that are planned bids; None if it has none.

    Args:
        names: names of the numbers.
        knots: knots of the curves that the bids are needed at.

    Raises:
        ConfigError: the plan has another number of knots.
    """
    wanted, has = _names(knots), sum(name.startswith(BID) for name in names)
    if not has:
        return None
    rule = f"must be the number of planned bids, observation.features.planned_bids.knots = {has}"
    require(has == knots, "algo.knots", rule, knots)
    return list(names).index(wanted[0])


def _names(knots: int) -> tuple[str, ...]:
    return tuple(f"{side}{knot}" for side in (BID, OFFER) for knot in range(knots))
