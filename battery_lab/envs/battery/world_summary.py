"""World summary: what a battery world is, in words, for the head of a report and beside captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from battery_lab.envs.battery.physics import Battery
from battery_lab.envs.battery.short_history import history_notes
from battery_lab.envs.battery.time_split import TimeSplit
from battery_lab.market.market_series import MarketSeries


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
    caps, notes = caps_in_words(battery), [*series.notes, *history_notes(series, split)]
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
        **({"Forecasts": _forecasts(series)} if series.lead_h else {}),
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


def _forecasts(series: MarketSeries) -> str:
    leads = series.lead_h.items()
    return ", ".join(f"{name}, published {lead_h:g} h before its interval" for name, lead_h in leads)


def _beyond(series: MarketSeries) -> str:
    limits = {"market.price_floor": series.price_floor, "market.price_cap": series.price_cap}
    known = " and ".join(f"{name} = {limit:,g}" for name, limit in limits.items() if limit is not None)
    return f"{series.beyond_limits:,} intervals, with {known} {series.currency}/MWh; limits change over the years"


def _stretch(series: MarketSeries, first: int, end: int) -> str:
    local = series.local_start
    return f"{local[first]:%Y-%m-%d} to {local[end - 1]:%Y-%m-%d}"
