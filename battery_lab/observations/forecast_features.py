"""Features of forecasts: columns that are published before their interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from battery_lab.common.errors import ConfigError
from battery_lab.common.validated_options import options
from battery_lab.market.forecasts.future_values import PRICE
from battery_lab.observations.feature import Block, side_by_side
from battery_lab.observations.market_history import History
from battery_lab.observations.past_features import Hours


@options("observation feature ForecastHours")
class ForecastHours:
    """Values that are published for the coming hours.

    Attributes:
        column: a market column that is published ahead.
        hours_ahead: the coming hours; 1 is the hour that begins at the start of the interval.
        optional: whether to leave the feature out if the market publishes vintages of the price or the price itself
            instead; if the column is ``price``, whenever it is not published ahead.
    """

    column: str
    hours_ahead: Annotated[Sequence[Hours], Field(min_length=1, max_length=1000)]
    optional: bool

    @property
    def look_back_h(self) -> float:
        return 0.0

    def build(self, history: History) -> Block | None:
        """Return one column per hour.

        Raises:
            ConfigError: the market does not have the column, or publishes it less far ahead.
        """
        instead = self.column == PRICE or history.is_published(PRICE) or PRICE in history.forecasts.values()
        if self.optional and not history.is_published(self.column) and instead:
            return None
        if self.column not in history.columns:
            raise ConfigError(
                f"observation: the set needs the forecast column {self.column!r}, and the market has only "
                f"{', '.join(history.columns)}: choose observation=compact, or a market with a forecast "
                "(market=synthetic, or market=table with columns and lead_h, published or forecasts)"
            )
        values = side_by_side([history.ahead(self.column, h) for h in self.hours_ahead])
        return Block(values=values, names=tuple(f"{self.column} +{h:g} h" for h in self.hours_ahead))
