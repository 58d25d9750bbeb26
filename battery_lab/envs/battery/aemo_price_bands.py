"""AEMO price bands: a bid and an offer as ten price bands per direction, in the columns of AEMO's bid tables.

A bidirectional unit bids ten bands to consume (LOAD) and ten to generate (GEN). Prices rise from band to band. A LOAD
band consumes at its price or below, a GEN band generates at its price or above. Every LOAD band with MW must be cheaper
than every GEN band with MW (AEMO, "Validation for bid convexity and monotonically increasing values"). The columns are
those of AEMO's tables BIDDAYOFFER_D and BIDPEROFFER_D; see docs/bids-command.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from battery_lab.common.errors import ConfigError, require

BANDS = 10
AEMO_ZONE = "Etc/GMT-10"
CENT = 0.01  # prices have two decimals
SLACK = 1e-6  # cents and kW that are rounding errors


def check_range(floor_per_mwh: float | None, cap_per_mwh: float | None) -> None:
    """Raise ConfigError unless ten prices fit between the lowest and the highest price, as far as these are known."""
    for name, price in (("floor", floor_per_mwh), ("cap", cap_per_mwh)):
        require(price is None or math.isfinite(price), name, "must be a price per MWh", price)
    if floor_per_mwh is not None and cap_per_mwh is not None:
        rule = f"must be a price at least 1 above floor = {floor_per_mwh:g}"
        require(cap_per_mwh - floor_per_mwh >= 1, "cap", rule, cap_per_mwh)


def span(curve: pd.DataFrame, floor: float | None, cap: float | None) -> tuple[float, float]:
    """Return the lowest and the highest price of the bands.

    Args:
        curve: bids and offers at several states of charge. Their range, in whole currency units, takes the place of a
            floor or a cap that is not known.
        floor: lowest price of the market; None if it is not known.
        cap: highest price of the market; None if it is not known.
    """
    prices = curve[["bid_per_mwh", "offer_per_mwh"]].to_numpy()
    prices = prices[np.isfinite(prices)]
    low = floor if floor is not None else math.floor(min([*prices, *([] if cap is None else [cap - 1])], default=0.0))
    high = cap if cap is not None else math.ceil(max([*prices, low + 1]))
    return float(low), float(high)


def check_clearing_at_any_price(bid: float, offer: float, floor: float | None, cap: float | None) -> None:
    """Raise ConfigError if a bid or an offer clears at any price, and the limit that replaces it is not known.

    Args:
        bid: highest price to buy at, currency per MWh.
        offer: lowest price to sell at.
        floor: lowest price of the market; None if it is not known.
        cap: highest price of the market; None if it is not known.
    """
    for name, side, price, always, limit in (
        ("cap", "bid", bid, math.inf, cap),
        ("floor", "offer", offer, -math.inf, floor),
    ):
        if price == always and limit is None:
            raise ConfigError(
                f"{name} must be given, as the {side} is {price} per MWh, which clears at any price, and "
                f"market.price_{name} is not known: add {name}=..., the limit of the market"
            )


def bid_price(bid: float, floor: float, cap: float) -> float:
    """Return a bid in whole cents between floor and cap, rounded down: no band buys where the battery holds."""
    return round(math.floor(min(max(bid, floor), cap) / CENT + SLACK) * CENT, 2)


def offer_price(offer: float, floor: float, cap: float) -> float:
    """Return an offer in whole cents between floor and cap, rounded up: no band sells where the battery holds."""
    return round(math.ceil(min(max(offer, floor), cap) / CENT - SLACK) * CENT, 2)


def apart(bid: float, offer: float, floor: float) -> tuple[float, float]:
    """Return the prices of a bid and an offer such that the bid is the lower one by a cent at least."""
    if bid < offer - CENT / 2:
        return bid, offer
    return (round(offer - CENT, 2), offer) if offer > floor else (bid, round(bid + CENT, 2))


def ladder(price: float, others: Iterable[float], floor: float, cap: float) -> list[float]:
    """Return ten rising prices in cents: the floor, the cap, and eight in between, of which one is ``price``.

    The other seven are spread over ``others``. If these are too few, the widest gaps are halved.
    """
    inside = sorted({other for other in others if floor < other < cap} - {price})
    own = [price] if floor < price < cap else []
    room = BANDS - 2 - len(own)
    if len(inside) > room:
        inside = [inside[k] for k in np.linspace(0, len(inside) - 1, room).round().astype(int)]
    prices = sorted([floor, *own, *inside, cap])
    while len(prices) < BANDS:
        widest = int(np.argmax(np.diff(prices)))
        prices.insert(widest + 1, round((prices[widest] + prices[widest + 1]) / 2, 2))
    return prices


def band_table(
    curve: pd.DataFrame,
    *,
    bid: float,
    offer: float,
    load_mw: float,
    gen_mw: float,
    floor: float,
    cap: float,
    end: pd.Timestamp,
) -> pd.DataFrame:
    """Return the bands of a bid and an offer, one row per direction, in the columns of AEMO's tables.

    Args:
        curve: bids and offers at several states of charge, for the prices of the other bands.
        bid: highest price to buy at, currency per MWh; -inf never buys, so that no LOAD band has MW.
        offer: lowest price to sell at; inf never sells, so that no GEN band has MW.
        load_mw: power that can be bought throughout the interval.
        gen_mw: power that can be sold throughout it.
        floor: lowest price of the market.
        cap: highest price of the market.
        end: end of the interval.
    """
    floor, cap = round(floor, 2), round(cap, 2)
    load_mw, gen_mw = 0.0 if bid == -math.inf else load_mw, 0.0 if offer == math.inf else gen_mw
    bids = [bid_price(price, floor, cap) for price in (bid, *curve["bid_per_mwh"])]
    offers = [offer_price(price, floor, cap) for price in (offer, *curve["offer_per_mwh"])]
    buy, sell = apart(bids[0], offers[0], floor)
    rows = []
    for direction, price, others, power in (("GEN", sell, offers, gen_mw), ("LOAD", buy, bids, load_mw)):
        prices, available = ladder(price, others, floor, cap), math.floor(power * 1000 + SLACK) / 1000
        row = {
            "BIDTYPE": "ENERGY",
            "DIRECTION": direction,
            "INTERVAL_DATETIME": f"{end.tz_convert(AEMO_ZONE):%Y/%m/%d %H:%M:%S}",
            "MAXAVAIL": available,
        }
        row |= {f"PRICEBAND{k}": value for k, value in enumerate(prices, 1)}
        rows.append(row | {f"BANDAVAIL{k}": available * (value == price) for k, value in enumerate(prices, 1)})
    return pd.DataFrame(rows)
