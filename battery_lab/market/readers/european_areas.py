"""European areas: the local clocks and the plausible prices of bidding zones."""

from __future__ import annotations

from battery_lab.market.intervals.price_plausibility import Range

CENTRAL = "Europe/Brussels"  # CET and CEST
# Country code at the start of a bidding zone's name -> local clock. Others are on Central European time.
CLOCKS = {
    "BG": "Europe/Sofia",
    "CY": "Asia/Nicosia",
    "EE": "Europe/Tallinn",
    "FI": "Europe/Helsinki",
    "GB": "Europe/London",
    "GR": "Europe/Athens",
    "IE": "Europe/Dublin",
    "LT": "Europe/Vilnius",
    "LV": "Europe/Riga",
    "MD": "Europe/Chisinau",
    "NIE": "Europe/London",
    "PT": "Europe/Lisbon",
    "RO": "Europe/Bucharest",
    "TR": "Europe/Istanbul",
    "UA": "Europe/Kyiv",
}
# EUR per MWh. The harmonised limits of the day-ahead coupling are -500 and 4,000 since May 2022; earlier ones and those
# of other auctions were within -3,000 and 5,000.
PRICES: Range = (-3_000.0, 5_000.0)


def local_clock(area: str) -> str:
    """Return the IANA name of a bidding zone's local clock."""
    return CLOCKS.get(area.upper().rstrip("0123456789").split("-")[0], CENTRAL)
