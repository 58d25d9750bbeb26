"""Number styles: the decimal sign and the thousands separators of a column of numbers, found from all its cells.

``1,234`` is 1234 in one country and 1.234 in another. So a column is read in the one style that all its cells fit, and
a column that fits two is an error: a wrong guess would give prices that are wrong by a factor of a thousand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from battery_lab.market.file_formats.reading_context import Decimal

SIGNS: dict[Decimal, str] = {"comma": ",", "point": "."}
# Blanks and apostrophes separate thousands in both styles.
NEUTRAL = " '’"
BLANKS = str.maketrans({"\xa0": " ", "\u202f": " ", "\u2009": " ", "−": "-", "–": "-"})
CURRENCY = re.compile(
    r"(?<![A-Za-z])(AU|A|US|C|CA|NZ|S|R|HK)?\$|[€£¥₹₩]|\b(AUD|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|JPY|NOK|NZD|PLN|RON|SEK|SGD|USD|kr|zł)\b",
    re.IGNORECASE,
)
ACCOUNTING = re.compile(r"\((.*)\)")


@dataclass(frozen=True)
class NumberStyle:
    """A style: the decimal sign; the other sign, blanks and apostrophes separate thousands."""

    decimal: Decimal

    @property
    def thousands(self) -> str:
        """The sign that separates thousands, beside blanks and apostrophes."""
        return SIGNS["point" if self.decimal == "comma" else "comma"]

    def number(self, text: str) -> float | None:
        """Return the number of a cell; None if the cell is none in this style."""
        sign = SIGNS[self.decimal]
        if not _PATTERNS[self.decimal].fullmatch(text):
            return None
        for other in NEUTRAL + self.thousands:
            text = text.replace(other, "")
        return float(text.replace(sign, "."))


def _pattern(sign: str, other: str) -> re.Pattern[str]:
    groups = "|".join(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+" for mark in NEUTRAL + other)
    fraction = rf"{re.escape(sign)}\d*"
    return re.compile(rf"[-+]?(?:(?:{groups}|\d+)(?:{fraction})?|{re.escape(sign)}\d+)(?:[eE][-+]?\d+)?")


_PATTERNS: dict[Decimal, re.Pattern[str]] = {"comma": _pattern(",", "."), "point": _pattern(".", ",")}
STYLES = (NumberStyle("point"), NumberStyle("comma"))


def without_currency(text: str) -> str:
    """Return a cell without currency signs and blanks around it; ``(5.00)`` becomes ``-5.00``."""
    text = CURRENCY.sub("", text.translate(BLANKS)).strip()
    if accounting := ACCOUNTING.fullmatch(text):
        text = f"-{accounting[1].strip()}"
    return re.sub(r"^([-+])\s+", r"\1", text)


def deciding_cell(texts: Sequence[str]) -> tuple[int, NumberStyle] | None:
    """Return the first cell that is a number in one style only, and that style; None if there is none.

    A cell such as ``0.123`` or ``1234,567`` decides too: no group of thousands begins with 0 or has four digits.
    """
    for i, text in enumerate(texts):
        if "," in text or "." in text:
            fitting = [style for style in STYLES if _fits(style, text)]
            if len(fitting) == 1:
                return i, fitting[0]
    return None


def _fits(style: NumberStyle, text: str) -> bool:
    number = style.number(text)
    if number is None:
        return False
    return style.thousands not in text or not text.lstrip("-+").startswith("0")
