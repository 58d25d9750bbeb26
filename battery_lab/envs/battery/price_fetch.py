"""Price fetch: what a download of prices or forecasts has brought, and the commands that read its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from battery_lab.envs.data_check_interface import Option
from battery_lab.envs.data_fetch_interface import NextStep, Progress
from battery_lab.market.download import aemo_tables, gridstatus_prices
from battery_lab.market.download.fetch_request import FetchRequest, parse_request
from battery_lab.market.download.price_download import PriceDownload, download
from battery_lab.market.readers.nem_market import LOCAL_TIME, NEM_TIME

CHECK, TRAIN = "To check the prices", "To train on them"
MOST_STRETCHES = 10
PRICES_FOLDER = "prices/"  # stands for the folder of the prices that forecasts are for
LIMITS = ("price_floor", "price_cap")


@dataclass(frozen=True, kw_only=True)
class PriceFetch:
    """What a download has brought; see ``DataFetch`` in ``envs/data_fetch_interface.py``.

    Attributes:
        request: what was to be downloaded.
        result: what was.
        options: the market options by name.
    """

    request: FetchRequest
    result: PriceDownload
    options: Mapping[str, Option]

    @property
    def problem(self) -> str:
        missing = self.result.missing
        if not missing:
            return ""
        stretches = [f"{first}" if first == last else f"{first} to {last}" for first, last in missing]
        more = f" and {len(missing) - MOST_STRETCHES} other stretches" if len(missing) > MOST_STRETCHES else ""
        days = sum((last - first).days + 1 for first, last in missing)
        count = "1 day is" if days == 1 else f"{days:,} days are"
        return f"{count} missing: {', '.join(stretches[:MOST_STRETCHES])}{more} ({'; '.join(self.result.reasons)})"

    @property
    def next_steps(self) -> Sequence[NextStep]:
        if not self.result.files:
            return ()
        path = str(self.request.folder)
        overrides = self._overrides()
        if self.request.product.forecast:
            return (NextStep(f"To train with these forecasts of the prices in {PRICES_FOLDER}", (), overrides),)
        rest = {key: value for key, value in overrides.items() if key != "market.path"}
        return (NextStep(CHECK, ("data", "check", path), rest), NextStep(TRAIN, (), overrides))

    def text(self) -> str:
        request, result = self.request, self.result
        what = f"{request.operator.name} {request.product.name}, {request.first} to {request.last}"
        new = result.files - result.kept
        return f"{what}: {new} files downloaded, {result.kept} kept, in {request.folder}"

    def _overrides(self) -> dict[str, Any]:
        """Return the market and its options that read the files."""
        request, path = self.request, str(self.request.folder)
        if request.product.forecast:
            return _aemo_table(request.location, self.options) | {
                "market.forecasts": {
                    request.product.name: {
                        "path": path,
                        "issued": aemo_tables.ISSUED,
                        "start": aemo_tables.END,
                        "value": aemo_tables.PRICE,
                        "quantity": "price",
                    }
                },
                "observation": "forecast",
            }
        if request.operator.library == "nemosis":
            return {"market": "nemweb", "market.path": path, "market.region": request.location}
        return self._table(path)

    def _table(self, path: str) -> dict[str, Any]:
        """Return the options for a table, with the clock, the currency and the limits of the operator's own option."""
        request = self.request
        values = self.options[request.operator.name][1]
        name = "".join(letter if letter.isalnum() else "_" for letter in f"{request.operator.name}_{request.location}")
        published = values.get("day_ahead_published") if request.product.day_ahead else None
        return {
            "market": "table",
            "market.path": path,
            "market.name": name,
            "market.timestamp": gridstatus_prices.START,
            "market.price": gridstatus_prices.PRICE,
            "market.time_zone": values["time_zone"],
            "market.currency": values["currency"],
            **{f"market.{limit}": values[limit] for limit in LIMITS if values.get(limit) is not None},
            **({"market.published": {"price": published}} if published else {}),
        }


def _aemo_table(region: str, options: Mapping[str, Option]) -> dict[str, Any]:
    """Return the options that read AEMO's monthly files of prices as a table, which may have forecasts."""
    values = options["nemweb"][1]
    return {
        "market": "table",
        "market.path": PRICES_FOLDER,
        "market.name": region,
        "market.timestamp": "SETTLEMENTDATE",
        "market.stamps": "end",
        "market.stamp_time_zone": NEM_TIME,
        "market.price": "RRP",
        "market.where": {"REGIONID": region, "INTERVENTION": "0"},
        "market.time_zone": LOCAL_TIME[region],
        "market.currency": values["currency"],
        **{f"market.{limit}": values[limit] for limit in LIMITS},
    }


def fetch_prices(chosen: Mapping[str, str], options: Mapping[str, Option], progress: Progress) -> PriceFetch:
    """Download prices or forecasts; see ``DataFetchingEnvironment.fetch_data``."""
    request = parse_request(chosen)
    return PriceFetch(request=request, result=download(request, progress), options=options)
