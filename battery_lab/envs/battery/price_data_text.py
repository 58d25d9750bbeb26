"""Price data text: the facts of a data check as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 24  # of the labels
SHOWN_NAMES = 12
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
YEAR_COLUMNS = ("days", "mean", "std", "min", "p5", "p50", "p95", "max")
Facts = Mapping[str, Any]


def check_text(facts: Facts) -> str:
    """Return the facts of ``PriceDataCheck.facts`` as text, one line for each."""
    blocks = [_files(facts)]
    if facts["quality"]:
        blocks += [_prices(facts["quality"]), _years(facts["quality"]), _split(facts["split"])]
    elif facts["rows"]:
        blocks += [_rows(facts["rows"])]
    if facts["warnings"]:
        blocks += [_bullets("Warnings", facts["warnings"])]
    if facts["assumed"]:
        lines = [f"market.{name}={guess['value']}: {guess['why']}" for name, guess in facts["assumed"].items()]
        blocks += [_bullets("Guessed, or chosen to read the files: correct these if they are wrong", lines)]
    if facts["problem"]:
        blocks += [f"Problem\n  {facts['problem']}"]
    return "\n\n".join(blocks)


def _lines(head: str, pairs: Iterator[tuple[str, str]]) -> str:
    return "\n".join([head, *(f"  {label:{WIDTH}}{value}" for label, value in pairs if value)])


def _bullets(head: str, sentences: Sequence[str]) -> str:
    return "\n".join([head, *(f"  - {sentence}" for sentence in sentences)])


def _files(facts: Facts) -> str:
    count = facts["files"]
    names = facts["first_file"] if count == 1 else f"{count:,} files, {facts['first_file']} to {facts['last_file']}"
    return _lines(f"{facts['path']}: {names}", _reading(facts))


def _reading(facts: Facts) -> Iterator[tuple[str, str]]:
    reading = facts["reading"]
    yield "market", facts["market"]
    for name, chosen in {**facts["names"], **{name: facts["options"][name] for name in facts["choices"]}}.items():
        yield name.replace("_", " "), _choice(name, chosen, facts["choices"].get(name, ()))
    yield "kind of prices", reading.get("product", "")
    if "stamps" in reading:
        yield "stamps", f"mark the {reading['stamps']} of the interval, on the clock {reading['clock_of_stamps']}"
    for name, label in (("timestamp", "stamps in"), ("price", "prices in")):
        column = facts["options"].get(name, "")
        yield label, column if isinstance(column, str) else " and ".join(column)
    yield "cells", _cells(reading)
    yield "not read", ", ".join(facts["unread_columns"])


def _choice(option: str, chosen: str, names: Sequence[str]) -> str:
    if not names:
        return chosen
    more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
    return f"{chosen}, of {len(names):,}: {', '.join(names[:SHOWN_NAMES])}{more} (market.{option}=...)"


def _cells(reading: Facts) -> str:
    if reading["separator"] in ("", ","):
        return "" if reading["encoding"] in ("", "utf-8-sig") else reading["encoding"]
    return f"separated by {SEPARATORS[reading['separator']]}, {reading['encoding']}"


def _prices(quality: Facts) -> str:
    def pairs() -> Iterator[tuple[str, str]]:
        yield "series", f"{quality['name']}, {quality['currency']} per MWh, calendar of {quality['time_zone']}"
        yield "further columns", ", ".join(quality["columns"])
        yield "first interval", quality["first_interval"]
        yield "last interval", quality["last_interval"]
        length = f"{quality['intervals']:,} intervals of {quality['interval_minutes']:g} minutes"
        known = f", of which {quality['days_with_prices']:,.1f} have prices" if quality["gap_intervals"] else ""
        yield "length", f"{quality['days']:,.1f} days{known}, {length}"
        yield "missing", _missing(quality)
        yield "clock changes", _clock_changes(quality["clock_changes"])
        yield "negative", f"{quality['share_negative']:.2%} of the prices; {quality['share_zero']:.2%} are 0"
        yield "floor and cap", _limits(quality)
        flat = quality["longest_unchanged_price"]
        changes = flat["hours"] * 60 <= quality["interval_minutes"]
        yield (
            "unchanged price",
            "" if changes else f"at most {flat['hours']:.4g} h: {flat['price']:,.6g} from {flat['from']}",
        )

    return _lines("Prices", pairs())


def _missing(quality: Facts) -> str:
    gaps = quality["gaps"]
    if not gaps["count"]:
        return "none"
    longest, places = gaps["longest"][0], "gap" if gaps["count"] == 1 else "gaps"
    return (
        f"{quality['missing_intervals']:,} intervals ({quality['share_missing']:.2%}) in {gaps['count']:,} {places}; "
        f"{quality['filled_intervals']:,} are filled; the longest has {longest['hours']:.4g} h from {longest['from']}"
    )


def _clock_changes(changes: Mapping[str, Sequence[str]]) -> str:
    skipped, repeated = changes["skipped_hour"], changes["repeated_hour"]
    if not skipped and not repeated:
        return "none"
    parts = (("an hour skipped on", skipped), ("repeated on", repeated))
    return ", ".join(f"{words} {', '.join(days)}" for words, days in parts if days)


def _limits(quality: Facts) -> str:
    floor, cap = quality["price_floor"], quality["price_cap"]
    parts = [f"{quality['at_or_below_floor']:,} prices at or below {floor:,g}"] if floor is not None else []
    caps = quality["limits_by_time"]
    if caps is not None:
        lowest, highest = (f"{value:,.0f}" for value in caps)
        of_years = highest if lowest == highest else f"that of their time, {lowest} to {highest}"
        parts.append(f"{quality['at_or_above_cap']:,} at or above {of_years}")
    elif cap is not None:
        parts.append(f"{quality['at_or_above_cap']:,} at or above {cap:,g}")
    return ", ".join(parts) or "not known (market.price_floor=, market.price_cap=)"


def _years(quality: Facts) -> str:
    header = f"  {'year':6}" + "".join(f"{name:>10}" for name in YEAR_COLUMNS)
    rows = [
        f"  {year:6}" + "".join(f"{figures[name]:>10,.1f}" for name in YEAR_COLUMNS)
        for year, figures in quality["years"].items()
    ]
    return "\n".join([f"Prices by year, {quality['currency']} per MWh", header, *rows])


def _rows(rows: Facts) -> str:
    def pairs() -> Iterator[tuple[str, str]]:
        yield "rows", f"{rows['rows']:,}"
        other = rows["repeats_with_another_price"]
        yield "repeated", f"{rows['repeated_intervals']:,} intervals, {other:,} of them with another price"
        yield "first of these", ", ".join(rows["repeated_where"][:3])
        yield "out of order", f"{rows['steps_back_in_time']:,} steps back in time"
        yield "empty prices", f"{rows['empty_prices']:,}"
        if rows["lowest_price"] is not None:
            yield "prices", f"{rows['lowest_price']:,.10g} to {rows['highest_price']:,.10g}"

    return _lines("Rows", pairs())


def _split(split: Facts) -> str:
    def pairs() -> Iterator[tuple[str, str]]:
        if split["missing_days"]:
            yield (
                "default split",
                (
                    f"needs {split['needed_days']:,.1f} days (env.validation_days={split['validation_days']}, "
                    f"env.test_days={split['test_days']}, env.episode_days={split['episode_days']:g}): "
                    f"{split['missing_days']:,.1f} are missing"
                ),
            )
        if split["overrides_that_fit"]:
            yield "fits with", " ".join(f"{name}={value}" for name, value in split["overrides_that_fit"].items())
        for name, period in split["periods"].items():
            yield name, f"{period['days']:,.1f} days, {period['first'][:10]} to {period['last'][:10]}"
        if not split["periods"]:
            yield "result", "nothing fits"

    return _lines("Training, validation and test", pairs())
