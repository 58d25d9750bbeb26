"""Market option types: names, time zones, currencies and limits of prices, with their rules for error messages."""

from __future__ import annotations

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Field

from battery_lab.common.validated_options import Rule, Unit


def _known_zone(zone: str) -> str:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not an IANA time zone") from None
    return zone


TimeZone = Annotated[
    str, AfterValidator(_known_zone), Rule("an IANA time zone such as Europe/Berlin or Etc/GMT-10 (which is UTC+10)")
]
Name = Annotated[str, Field(min_length=1), Rule("a name in the files")]
PriceLimit = Annotated[float, Field(ge=-1_000_000, le=1_000_000), Unit("currency per MWh")]
Price = Annotated[float, Unit("currency per MWh")]
PriceRange = Annotated[tuple[Price, Price], Rule("exactly two numbers, the lowest and the highest price")]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$"), Rule("an ISO 4217 code such as EUR")]
