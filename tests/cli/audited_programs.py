"""Programs for `battery-lab audit`: decision functions, and a feature that looks ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from battery_lab.observations.feature import Block
from tests.small_batteries_and_series import wavy_prices

REAL = wavy_prices(24)
FIRST = np.datetime64("2024-01-01", "s")


def honest(given):
    """Buy below 20 and sell above 100."""
    now = given.price.values[-1]
    return 10.0 if now > 100 else -10.0 if now < 20 else 0.0


def bids(given):
    """Bid 20 and offer 100."""
    return 20.0, 100.0


def peeking(given):
    """Sell before the price falls, and buy before it rises, by all prices of the market."""
    row = int((given.start - FIRST) / np.timedelta64(300, "s"))
    now, later = REAL[np.minimum([row, row + 1], len(REAL) - 1)]
    return 10.0 if later < now else -10.0


NOTHING = None


class NeedsMore:
    """A class that cannot be made without an argument."""

    def __init__(self, more):
        self.more = more


class NoFunction:
    """A class whose objects cannot be called."""


@dataclass(frozen=True, kw_only=True)
class ComingPrices:
    """A feature that looks ahead: the 12 next prices."""

    @property
    def look_back_h(self):
        return 1.0

    def build(self, history):
        latest = history.latest("price")
        values = np.stack([np.append(latest[k:], np.zeros(k)) for k in range(1, 13)], axis=1)
        return Block(values=values, names=tuple(f"coming {k}" for k in range(12)))
