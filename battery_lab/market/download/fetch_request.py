"""Fetch request: the operator, the product, the location, the days and the folder of a download."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from battery_lab.common.errors import ConfigError
from battery_lab.market.download.operators import NOT_OFFERED, OPERATORS, Operator, Product

EXAMPLE = "2024-01-01/2024-03-31"
PERIOD = re.compile(r"(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """What to download.

    Attributes:
        operator: who publishes it.
        product: the kind of prices or forecasts.
        location: the node, zone or region, as the operator writes it.
        first: the first day, on the operator's clock.
        last: the last day, which is included.
        folder: where the files go.
    """

    operator: Operator
    product: Product
    location: str
    first: date
    last: date
    folder: Path

    @property
    def stored(self) -> dict[str, str]:
        """What all files of one folder have in common."""
        # A file of AEMO's prices holds all regions.
        location = {} if self.product.all_locations else {"location": self.location}
        return {"operator": self.operator.name, "product": self.product.name, **location}


def parse_request(chosen: Mapping[str, str], now: Callable[[ZoneInfo], datetime] = datetime.now) -> FetchRequest:
    """Return the request that arguments make.

    Args:
        chosen: the arguments by name.
        now: the time on a clock.

    Raises:
        ConfigError: an argument is missing or wrong.
    """
    operator = _operator(chosen.get("market", ""))
    product = _product(operator, chosen.get("product", ""))
    location = chosen.get("location", "")
    if not location:
        raise ConfigError(f"location must name {operator.locations}, for instance location={operator.example}")
    location = operator.location_name(location)
    first, last = _period(chosen.get("period", ""))
    today = now(ZoneInfo(operator.time_zone)).date()
    if last >= today:
        raise ConfigError(
            f"period must end before today, {today} on the clock {operator.time_zone}, as the days must be complete: "
            f"got {chosen['period']}"
        )
    if not chosen.get("folder"):
        raise ConfigError(f"folder must name the folder of the files, for instance folder=prices/{operator.name}")
    folder = Path(chosen["folder"].strip("'\"")).expanduser()
    return FetchRequest(operator=operator, product=product, location=location, first=first, last=last, folder=folder)


def _operator(name: str) -> Operator:
    if name in OPERATORS:
        return OPERATORS[name]
    reason = NOT_OFFERED.get(name, f"got {name!r}" if name else f"for instance market={next(iter(OPERATORS))}")
    raise ConfigError(f"market must be one of {', '.join(OPERATORS)}: {reason}")


def _product(operator: Operator, name: str) -> Product:
    names = [product.name for product in operator.products]
    if not name:
        return operator.products[0]
    if name not in names:
        raise ConfigError(f"product must be one of {', '.join(names)} for market={operator.name}, got {name!r}")
    return operator.products[names.index(name)]


def _period(text: str) -> tuple[date, date]:
    match = PERIOD.fullmatch(text)
    if match is None:
        raise ConfigError(f"period must be <first day>/<last day>, for instance period={EXAMPLE}, got {text!r}")
    try:
        first, last = (date.fromisoformat(day) for day in match.groups())
    except ValueError as error:
        raise ConfigError(f"period has a day that does not exist ({error}), got {text!r}") from error
    if last < first:
        raise ConfigError(f"period must begin with its first day, got {text!r}: write {last}/{first}")
    if first.year < 1999:
        raise ConfigError(f"period must not begin before 1999, got {text!r}: no operator publishes such prices")
    return first, last
