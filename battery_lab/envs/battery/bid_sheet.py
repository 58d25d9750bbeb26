"""Bid sheet of a battery: a policy's bid and offer for one interval, as a curve, as price bands and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import ConfigError, DataError, require
from battery_lab.envs.battery.action_set import Actions
from battery_lab.envs.battery.aemo_price_bands import band_table, check_clearing_at_any_price, check_range, span
from battery_lab.envs.battery.bid_actions import BidActions
from battery_lab.envs.battery.cycles_used import CyclesUsed
from battery_lab.envs.battery.interval_lookup import local_time, row_at
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.unknown_and_stale_numbers import refuse_stale, refuse_unknown
from battery_lab.envs.bidding_interface import BidRequest, BidSheet
from battery_lab.envs.interfaces import Actor
from battery_lab.market.forecasts.future_values import PRICE, is_known_ahead, known_series, publication
from battery_lab.market.market_series import MarketSeries
from battery_lab.observations.fitted_scales import Scaling
from battery_lab.observations.observation_set import ObservationSet

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BidDesk:
    """Makes bid sheets of policies.

    Attributes:
        series: the market.
        battery: the battery.
        observation: what policies observe.
        scaling: the scales of observations.
        actions: the meaning of actions.
        price_lag: 0 if policies observe the price of the interval itself, 1 if only the price before it.
        history: number of intervals that an observation needs.
    """

    series: MarketSeries
    battery: Battery
    observation: ObservationSet
    scaling: Scaling
    actions: Actions
    price_lag: int
    history: int

    def sheet(self, actor: Actor, request: BidRequest) -> BidSheet:
        """Return the bid sheet of a policy; see ``BiddingWorld``."""
        self._check(request)
        row, battery = row_at(self.series, request.at, self.history), self.battery
        used = CyclesUsed.of(battery, self.series, row, request)
        knots = np.linspace(battery.soc_min, battery.soc_max, request.knots)
        soc = np.union1d(knots[~np.isclose(knots, request.soc)], request.soc)  # 0.3 and 0.30000000000000004 are one
        prices = self._prices(actor, row, soc * battery.capacity_mwh, used, request.price_number)
        curve = pd.DataFrame({"soc": soc, "bid_per_mwh": prices[:, 0], "offer_per_mwh": prices[:, 1]})
        bid, offer = prices[int(np.searchsorted(soc, request.soc))].tolist()
        full = np.array([-battery.power_mw, battery.power_mw])
        load, gen = used.deliver_mw(np.full(2, request.soc * battery.capacity_mwh), full)
        floor, cap = self._limits(request)
        check_clearing_at_any_price(bid, offer, floor, cap)
        low, high = span(curve, floor, cap)
        bands = band_table(
            curve,
            bid=bid,
            offer=offer,
            load_mw=-float(load),
            gen_mw=float(gen),
            floor=low,
            cap=high,
            end=local_time(self.series, row + 1),
        )
        return BidSheet(
            title=self._title(row, request.soc),
            known=self._known(row, request.price_number),
            unit=f"{self.series.currency}/MWh",
            curve=curve,
            bands=bands,
            limits=" ".join([self._limits_in_words(request, low, high), *used.in_words()]),
            worth=worth(battery, self.series.currency, bid if load < 0 else None, offer if gen > 0 else None),
        )

    def _check(self, request: BidRequest) -> None:
        battery = self.battery
        limits = f"battery.soc_min = {battery.soc_min:g} to battery.soc_max = {battery.soc_max:g}"
        rule = f"must be a fraction of capacity from {limits}"
        require(battery.soc_min <= request.soc <= battery.soc_max, "soc", rule, request.soc)
        check_range(*self._limits(request))
        if request.price_number is None and not isinstance(self.actions, BidActions):
            raise ConfigError(
                "the policy requests power and makes no bids: choose a run with env.actions=bids, or with "
                "algo=bid_curves"
            )

    def _prices(self, actor: Actor, row: int, energy_mwh: Array, used: CyclesUsed, price_number: int | None) -> Array:
        """Return the (N, 2) bids and offers at N states of charge, currency per MWh."""
        known = known_series(self.series, row, self.price_lag)
        observer = self.observation.build(known, self.price_lag, self.scaling, self.battery)
        left = used.left(len(energy_mwh)) if observer.shows_caps else None
        observation = observer(np.full(len(energy_mwh), row), energy_mwh, left)
        named = dict(zip(observer.layout.names, observation[0].tolist(), strict=True))
        refuse_unknown(named, self.series, local_time(self.series, row))
        refuse_stale(observer.layout.names, self.series, row)
        answers = actor(observation)
        if price_number is None and isinstance(self.actions, BidActions):
            prices = self.actions.prices(answers)
        else:
            prices = self.observation.prices(np.asarray(answers, np.float64), observer, self.scaling)
        if np.isnan(prices).any():
            raise DataError("the policy's bids are not numbers, as its training diverged: train another policy")
        return prices

    def _limits(self, request: BidRequest) -> tuple[float | None, float | None]:
        """Return the requested floor and cap, or those of the market; None where these are not known."""
        floor, cap = request.floor_per_mwh, request.cap_per_mwh
        return self.series.price_floor if floor is None else floor, self.series.price_cap if cap is None else cap

    def _limits_in_words(self, request: BidRequest, low: float, high: float) -> str:
        requested = (request.floor_per_mwh, request.cap_per_mwh)
        of_market = (self.series.price_floor, self.series.price_cap)
        words = []
        for name, price, wanted, known in zip(("floor", "cap"), (low, high), requested, of_market, strict=True):
            source = "as requested" if wanted is not None else "of the market"
            if wanted is None and known is None:
                source = f"the range of the bids, as market.price_{name} is not known"
            words.append(f"{price:,.2f} ({source})")
        return f"The bands span {' to '.join(words)} {self.series.currency}/MWh."

    def _title(self, row: int, soc: float) -> str:
        start, end = (local_time(self.series, place) for place in (row, row + 1))
        offset, stored = f"{start:%z}", soc * self.battery.capacity_mwh
        return (
            f"{self.series.name}, {start:%Y-%m-%d %H:%M} to {end:%H:%M} (UTC{offset[:3]}:{offset[3:]}), "
            f"soc {soc:.4g} ({stored:.4g} of {self.battery.capacity_mwh:g} MWh)"
        )

    def _known(self, row: int, price_number: int | None) -> str:
        last = f"{self.series.price[row - 1]:,.2f} {self.series.currency}/MWh"
        since = f"{local_time(self.series, row - 1):%H:%M}"
        if is_known_ahead(self.series, PRICE) and row < len(self.series):
            price = f"{self.series.price[row]:,.2f} {self.series.currency}/MWh"
            return f"The price of the interval is known {publication(self.series, PRICE)}: {price}."
        if price_number is None:
            return f"The last known price is {last}, of the interval from {since}."
        if self.price_lag == 0:
            return (
                "The policy was trained with the price of the interval known, and acts as its curves clear. These are "
                f"the curves' prices if the last known price, {last} from {since}, is also that of the interval."
            )
        return (
            "The policy was trained to act as its curves clear at the last known price. These are the curves' prices; "
            f"that price is {last}, of the interval from {since}."
        )


def worth(battery: Battery, currency: str, bid: float | None, offer: float | None) -> str:
    """Return what stored energy is worth, per MWh in the store, in one sentence.

    A MWh bought at the bid adds ``charge_efficiency`` MWh to the store, and costs the grid fee and its wear as well. A
    MWh sold at the offer takes 1 / ``discharge_efficiency`` MWh from the store, and costs wear as well.

    Args:
        battery: the battery.
        currency: the market's currency.
        bid: highest price to buy at, currency per MWh; None if the store is full.
        offer: lowest price to sell at; None if the store is empty.
    """
    values = []
    if bid is not None:
        cost = bid + battery.grid_fee_per_mwh + battery.wear_per_mwh_charged
        values.append((cost / battery.charge_efficiency, "its bid pays for one more"))
    if offer is not None:
        values.append(((offer - battery.wear_per_mwh) * battery.discharge_efficiency, "its offer takes for one"))
    values = sorted((value, meaning) for value, meaning in values if math.isfinite(value))
    if not values:
        return "Bid and offer do not say what a stored MWh is worth, as no price clears them."
    between = " to ".join(f"{value:,.2f}" for value, _ in values)
    meanings = ", ".join(f"{value:,.2f} is what {meaning}" for value, meaning in values)
    return f"A stored MWh is worth {between} {currency} to the policy: {meanings}, after losses, wear and grid fee."
