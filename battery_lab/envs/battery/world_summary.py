"""World summary: what a battery world is, in words, for the head of a report and beside captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from battery_lab.envs.battery.dispatch_result import cap_labels
from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.short_history import history_notes
from battery_lab.envs.battery.time_split import TimeSplit
from battery_lab.envs.interfaces import Metric
from battery_lab.market.forecasts.future_values import PRICE, is_known_ahead, publication
from battery_lab.market.forecasts.newest_vintages import NewestVintages
from battery_lab.market.market_series import MarketSeries

# What is known of the price of the interval when a policy acts. The place in the list is the number in metrics.json.
KNOWN = ("price known", "price of the interval before known", "bids")
# Metric -> its label.
LABELS = {
    "profit_per_day": "profit",
    "revenue_per_day": "revenue",
    "equivalent_full_cycles_per_day": "full cycles per day",
}


def battery_metrics(battery: Battery, currency: str) -> list[Metric]:
    """Return the metrics of a battery's dispatch, in the order in which reports show them."""
    units = {"profit_per_day": f"{currency}/day", "revenue_per_day": f"{currency}/day"}
    labels = LABELS | cap_labels(battery)
    return [Metric(name=name, label=label, unit=units.get(name, "")) for name, label in labels.items()]


def known_in_words(series: MarketSeries, code: int, battery: Battery, forecasts: Sequence[str] = ()) -> str:
    """Return what a policy knows when it acts: of the price of the interval, of forecasts, and the caps on cycles.

    Args:
        series: the market, whose price may be published before its interval.
        code: the place in ``KNOWN``.
        battery: has the caps.
        forecasts: phrases on forecasts.
    """
    price = KNOWN[code]
    if is_known_ahead(series, PRICE):
        price = f"{'bids, ' if code == KNOWN.index('bids') else ''}price known {publication(series, PRICE)}"
    return ", ".join([price, *forecasts, *caps_in_words(battery)])


def caps_in_words(battery: Battery) -> list[str]:
    """Return the caps on cycles, one phrase each; none without caps."""
    caps = {"day": battery.max_cycles_per_day, "year": battery.max_cycles_per_year}
    return [cap_in_words(cap, period) for period, cap in caps.items() if cap is not None]


def cap_in_words(cap: float, period: str) -> str:
    """Return a cap of some cycles per day or year, one phrase."""
    return f"at most {_cycles(cap)} per {period}"


def summarize(
    series: MarketSeries, battery: Battery, split: TimeSplit, *, price_lag: int, bids: bool
) -> Mapping[str, str]:
    """Return market, battery and time split by label; see ``World.summary``."""
    known = "known" if price_lag == 0 else "unknown, only the price before it is known"
    if bids:
        known = "unknown: bids and offers are made before it, and cleared against it"
    if is_known_ahead(series, PRICE):
        cleared = ": bids and offers are cleared against it all the same" if bids else ""
        known = f"known {publication(series, PRICE)}{cleared}"
    caps = caps_in_words(battery)
    forecasts = _forecasts(series)
    notes = [*series.notes, *history_notes(series, split)]
    return {
        "Market": f"{series.name}, {len(series):,} intervals of {60 * series.interval_h:g} minutes",
        "Missing prices": _missing(series, split),
        **({"Notes on the prices": "; ".join(notes)} if notes else {}),
        "Training period": _stretch(series, 0, split.train_end),
        **{f"{period.capitalize()} period": _stretch(series, *rows) for period, rows in split.periods.items()},
        "Battery": f"{battery.power_mw:g} MW, {battery.capacity_mwh:g} MWh, round trip "
        f"{battery.round_trip_efficiency:.0%}, wear {_wear(battery, series.currency)}",
        **({"Caps": ", ".join(caps)} if caps else {}),
        "Price of the dispatched interval": known,
        **({"Forecasts": forecasts} if forecasts else {}),
        **({"Prices beyond floor and cap": _beyond(series)} if series.beyond_limits else {}),
    }


def missing_counts(series: MarketSeries, split: TimeSplit) -> dict[str, float]:
    """Return the numbers of filled intervals and of those in gaps, as ``<period>/filled_intervals`` and so on."""
    marks = {"filled_intervals": series.is_filled, "gap_intervals": series.gap}
    periods = {"train": (0, split.train_end), **split.periods}
    return {
        f"{period}/{name}": float(mark[first:end].sum())
        for name, mark in marks.items()
        for period, (first, end) in periods.items()
    }


def data_notes(series: MarketSeries, split: TimeSplit) -> Sequence[str]:
    """Return what is missing, looks wrong or is too short in the prices, one sentence each; none if nothing is."""
    is_missing = series.is_filled.any() or series.gap.any()
    missing = [f"Missing prices: {_missing(series, split)}"] if is_missing else []
    return [*missing, *series.notes, *history_notes(series, split)]


def _missing(series: MarketSeries, split: TimeSplit) -> str:
    counts = missing_counts(series, split)

    def where(name: str) -> str:
        evaluated = [f"{counts[f'{period}/{name}']:,.0f} in {period}" for period in split.periods]
        return f"of these {' and '.join(evaluated)}"

    parts = []
    if series.is_filled.any():
        filled = int(series.is_filled.sum())
        parts.append(f"{filled:,} intervals filled with the last value before, {where('filled_intervals')}")
    if series.gap.any():
        gaps = int(series.gap.sum())
        parts.append(f"{gaps:,} intervals in gaps, in which the battery is idle, {where('gap_intervals')}")
    return "; ".join(parts) or "none"


def _cycles(cap: float) -> str:
    return f"{cap:g} cycle{'' if cap == 1 else 's'}"


def _wear(battery: Battery, currency: str) -> str:
    wear = f"{battery.wear_per_mwh:g} {currency}/MWh discharged"
    charged = battery.wear_per_mwh_charged
    return f"{wear} and {charged:g} {currency}/MWh charged" if charged else wear


def forecasts_in_words(series: MarketSeries, numbers: Sequence[str]) -> list[str]:
    """Return the forecasts that an observation holds and when each is known, one phrase each.

    Args:
        series: the evaluated rows.
        numbers: names of the numbers of an observation, of which those of forecasts begin with the forecast's name.
    """
    used = {name for number in numbers for name in number.split(" ")[0].split("/")}
    columns = [name for name in (*series.lead_h, *series.published) if name in used and name != PRICE]
    words = [f"{name} {publication(series, name)}" for name in columns]
    for name, known in series.forecasts.items():
        if name in used:
            age = NewestVintages([[known]], series.start).age_h(0)
            oldest = f"up to {np.nanmax(age):.3g} h old" if np.isfinite(age).any() else "none in this period"
            words.append(f"{name}: newest run published, {oldest}")
    return words


def _forecasts(series: MarketSeries) -> str:
    leads = {name: f"{lead_h:g} h before its interval" for name, lead_h in series.lead_h.items()}
    rules = leads | {name: str(rule) for name, rule in series.published.items()}
    columns = [f"{name}, published {when}" for name, when in rules.items() if name != PRICE]
    vintages = [
        f"{name}, {known.quantity} in steps of {60 * known.step_h:g} minutes, {len(known):,} runs by their publication"
        for name, known in series.forecasts.items()
    ]
    return ", ".join([*columns, *vintages])


def _beyond(series: MarketSeries) -> str:
    limits = {"market.price_floor": series.price_floor, "market.price_cap": series.price_cap}
    known = " and ".join(f"{name} = {limit:,g}" for name, limit in limits.items() if limit is not None)
    return f"{series.beyond_limits:,} intervals, with {known} {series.currency}/MWh; limits change over the years"


def _stretch(series: MarketSeries, first: int, end: int) -> str:
    local = series.local_start
    return f"{local[first]:%Y-%m-%d} to {local[end - 1]:%Y-%m-%d}"
