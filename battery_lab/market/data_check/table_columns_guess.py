"""Guess of a table's columns: which one holds the stamps, in which form, which the prices, and in which currency."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from battery_lab.common.errors import DataError
from battery_lab.market.cells.cell_numbers import MISSING
from battery_lab.market.cells.stamp_forms import parse_any

# Rows that are looked at, evenly over the file.
LOOKED_AT = 5_000
ENOUGH = 50  # stamps that show that a column holds none
FORMATS = (
    None,  # ISO 8601
    *("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M"),
    *("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"),
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d %H:%M", "%Y%m%d%H%M"),
)
TIME = re.compile(r"time|stamp|date|start|begin|from|utc|gmt|mtu|interval", re.IGNORECASE)
END = re.compile(r"end(ing)?\b|[ _]to$|ending|_end", re.IGNORECASE)
UTC = re.compile(r"utc|gmt", re.IGNORECASE)
PRICE = re.compile(r"price|lmp|lbmp|rrp|hoep|spot|preis|prix|precio", re.IGNORECASE)
PER_MWH = re.compile(r"/ ?mwh|per[ _]?mwh|€|\$|£", re.IGNORECASE)
OTHER = re.compile(
    r"forecast|predict|volume|demand|load|congest|loss|energy_comp|temperature|wind|solar|hour|interval|\bid\b|number",
    re.IGNORECASE,
)
CURRENCIES = {
    "EUR": r"eur|€",
    "GBP": r"gbp|£",
    "AUD": r"aud|a\$",
    "CAD": r"cad|c\$",
    "USD": r"usd|us\$|\$",
    "CHF": r"chf",
    "NOK": r"nok",
    "SEK": r"sek",
    "DKK": r"dkk",
    "PLN": r"pln",
    "JPY": r"jpy|¥",
    "NZD": r"nzd",
    "SGD": r"sgd",
    "INR": r"inr|₹",
}
# Numbers with any decimal sign, thousands separators and currency signs.
NUMBER = re.compile(r"[-+(]?\s*[$€£]?\s*[-+]?(\d[\d.,'\s\xa0]*|\.\d+)([eE][-+]?\d+)?\s*([$€£]|[A-Z]{3})?\)?")
AHEAD = re.compile(r"day[-_ ]?ahead|(?<![a-z])dam?(?![a-z])", re.IGNORECASE)
REAL_TIME = re.compile(r"real[-_ ]?time|(?<![a-z])rtm?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class StampColumn:
    """A column of time stamps.

    Attributes:
        name: its name.
        form: strftime format; None for ISO 8601.
        times: (N,) its stamps without a time zone, in UTC if they have an offset; missing cells are left out.
        offsets: (N,) minutes that the stamps are ahead of UTC; None if they have no offset.
    """

    name: str
    form: str | None
    times: pd.Series
    offsets: pd.Series | None


def stamp_columns(table: pd.DataFrame) -> list[StampColumn]:
    """Return the columns that hold time stamps, the most likely one first.

    Args:
        table: what :func:`battery_lab.market.file_formats.price_files.read_file` returned.
    """
    found = [column for name in table.columns if (column := _stamps(str(name), table[name])) is not None]
    # A start is preferred to an end, and UTC to a local clock.
    return sorted(found, key=lambda c: (not TIME.search(c.name), bool(END.search(c.name)), not UTC.search(c.name)))


def price_columns(table: pd.DataFrame, stamps: Sequence[str]) -> list[str]:
    """Return the columns that hold numbers, the most likely price first.

    Args:
        table: the table.
        stamps: columns that are none.
    """
    numbers = [str(name) for name in table.columns if str(name) not in stamps and _is_number(table[name])]

    def likely(name: str) -> int:
        return 3 * bool(PRICE.search(name)) + 2 * bool(PER_MWH.search(name)) - 4 * bool(OTHER.search(name))

    return sorted(numbers, key=likely, reverse=True)


def is_price_name(name: str) -> bool:
    """Return whether the name of a column is that of a price."""
    return bool(PRICE.search(name) or PER_MWH.search(name)) and not OTHER.search(name)


def currency_in(*texts: str) -> str | None:
    """Return the currency that the first of some texts names, such as ``Price (EUR/MWh)``; None if none does."""
    for text in texts:
        for code, pattern in CURRENCIES.items():
            if re.search(rf"(?<![a-z])({pattern})(?![a-z])", text, re.IGNORECASE):
                return code
    return None


def product_in(*texts: str) -> str | None:
    """Return ``day-ahead`` or ``real-time`` as the first text that names one of the two; None if none does."""
    for text in texts:
        products = {"day-ahead": AHEAD.search(text), "real-time": REAL_TIME.search(text)}
        named = [product for product, match in products.items() if match]
        if len(named) == 1:
            return named[0]
    return None


def _looked_at(cells: pd.Series) -> pd.Series:
    if len(cells) <= LOOKED_AT:
        return cells
    # Neighbours show the interval, and rows over the whole file show whether 13 is a day or a month.
    places = np.unique(np.r_[: LOOKED_AT // 2, np.linspace(0, len(cells) - 1, LOOKED_AT // 2).astype(int)])
    return cells.iloc[places]


def _stamps(name: str, cells: pd.Series) -> StampColumn | None:
    if pd.api.types.is_datetime64_any_dtype(cells):
        zone = getattr(cells.dt, "tz", None)
        times = cells if zone is None else cells.dt.tz_convert("UTC").dt.tz_localize(None)
        offsets = None if zone is None else pd.Series(0, cells.index)
        return StampColumn(name=name, form=None, times=times, offsets=offsets)
    if pd.api.types.is_numeric_dtype(cells) and not (TIME.search(name) and pd.api.types.is_integer_dtype(cells)):
        return None
    everything = cells.astype(str).str.strip()
    everything = everything[~everything.isin(MISSING)]
    text = _looked_at(everything)
    if not len(text) or text.str.fullmatch(r"[-+]?[\d.,]{1,8}").any():
        return None
    parsed = [(form, *times) for form in FORMATS if (times := _parsed(text, form)) is not None]
    if not parsed:
        return _any_form(name, everything)
    form = max(parsed, key=lambda item: _regular(item[1]))[0]
    # Changes of the clock may be anywhere.
    whole = _parsed(everything, form)
    return None if whole is None else StampColumn(name=name, form=form, times=whole[0], offsets=whole[1])


def _any_form(name: str, text: pd.Series) -> StampColumn | None:
    """Return stamps in the other forms that tables read: 24:00, ranges such as ``00:00 - 01:00``, or since 1970."""
    if not text.iloc[:ENOUGH].str.contains(r"\d{2}").all():
        return None
    rows = pd.Series(np.arange(len(text)), text.index)
    try:
        times = parse_any(Path(name), rows, text, None, "start", "market.timestamp_format", "")
    except DataError:
        return None
    in_utc = times.dt.tz is not None
    offsets = pd.Series(0, text.index) if in_utc else None
    return StampColumn(name=name, form=None, times=times.dt.tz_localize(None) if in_utc else times, offsets=offsets)


def _parsed(text: pd.Series, form: str | None) -> tuple[pd.Series, pd.Series | None] | None:
    if form is None and text.iloc[0].isdigit():
        return None
    offset = text.str.extract(r"(?:[T ]\d.*?)([+-]\d\d:?\d\d|[Zz])$")[0] if form is None else None
    has_offset = offset is not None and bool(offset.notna().all())
    times = pd.to_datetime(text, format=form or "ISO8601", errors="coerce", utc=has_offset)
    if times.isna().any():
        return None
    if not has_offset or offset is None:
        return (times, None) if times.dt.tz is None else None
    digits = offset.str.replace(":", "").str.replace(r"[Zz]", "+0000", regex=True)
    minutes = digits.str[:3].astype(int) * 60 + (digits.str[0] + digits.str[3:]).astype(int)
    return times.dt.tz_localize(None), minutes


def _regular(times: pd.Series) -> float:
    """Return the share of the most frequent step: with the wrong order of day and month, steps vary."""
    steps = np.diff(times.to_numpy("datetime64[s]").astype(np.int64))
    return float(np.unique(steps, return_counts=True)[1].max() / len(steps)) if len(steps) else 0.0


def _is_number(cells: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(cells):
        return False
    if pd.api.types.is_numeric_dtype(cells):
        return True
    if pd.api.types.is_datetime64_any_dtype(cells):
        return False
    text = _looked_at(cells).astype(str).str.strip()
    text = text[~text.isin(MISSING)]
    return len(text) > 0 and bool(text.str.fullmatch(NUMBER).mean() > 0.99)
