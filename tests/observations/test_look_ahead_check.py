"""Look-ahead check: a feature that depends on values which are not known yet is an error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.observations.feature import Block
from tests.observations.observers import market, observation_set


@dataclass(frozen=True, kw_only=True)
class Peek:
    """A feature that looks ahead, as a user's feature may by mistake."""

    steps: int
    column: str = "price"

    @property
    def look_back_h(self):
        return 0.0

    def build(self, history):
        return Block(values=np.roll(history.latest(self.column), -self.steps)[:, None], names=("peek",))


@pytest.mark.parametrize("price_lag", [0, 1])
def test_feature_that_looks_ahead_is_an_error(price_lag):
    chosen = observation_set("minimal")
    peeking = replace(chosen, features={**chosen.features, "peek": Peek(steps=1)})
    with pytest.raises(ConfigError, match=r"observation\.features\.peek looks ahead"):
        peeking.fit(market(), price_lag)
    assert chosen.fit(market(), price_lag).mean.shape == (2,)


@pytest.mark.parametrize(("column", "steps"), [("demand_mw", 1), ("price_forecast", 289)])
def test_column_is_not_known_before_it_is_measured_or_published(column, steps):
    chosen = observation_set("minimal")
    peeking = replace(chosen, features={"peek": Peek(steps=steps, column=column)})
    with pytest.raises(ConfigError, match="peek looks ahead"):
        peeking.fit(market(), 0)
    replace(chosen, features={"known": Peek(steps=steps - 1, column=column)}).fit(market(), 0)
