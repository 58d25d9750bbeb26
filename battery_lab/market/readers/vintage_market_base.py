"""Vintage markets: the base class of markets of files that may also read forecasts by the time of their publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from battery_lab.common.errors import require
from battery_lab.common.validated_options import at, options
from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.readers.aemo_vintages import PRODUCTS, AemoVintageFiles
from battery_lab.market.readers.file_market_base import FileMarket
from battery_lab.market.readers.vintage_files import VintageFiles
from battery_lab.market.readers.vintage_plausibility import check_vintages

TABLE = "table"
RESERVED = ("file", "row", "stamp", "price")
Source = VintageFiles | AemoVintageFiles


@options("market")
class VintageMarket(FileMarket):
    """A market of files with forecasts.

    Attributes:
        forecasts: name -> the files of a forecast, as in ``VintageFiles`` and, with ``format``, ``AemoVintageFiles``.
    """

    forecasts: Mapping[str, Mapping[str, Any]]

    formats: ClassVar[tuple[str, ...]] = tuple(PRODUCTS)
    # The columns of the series, besides the price.
    further_columns: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "must have names of letters, digits and _ that are no columns"
        for name in self.forecasts:
            usable = name.isidentifier() and name not in (*RESERVED, *self.column_names())
            require(usable, "market.forecasts", rule, name)
        self._sources()

    def column_names(self) -> Sequence[str]:
        """Return the names of the further columns of the series."""
        return self.further_columns

    def forecast_files(self) -> Sequence[Path]:
        return [file for name, source in self._sources().items() for file in source.files(name)]

    def vintages(self, selected: Mapping[str, str]) -> dict[str, ForecastVintages]:
        """Return the forecasts of ``forecasts``."""
        return {name: self.read_forecast(name, source, selected) for name, source in self._sources().items()}

    def read_forecast(self, name: str, source: Source, selected: Mapping[str, str]) -> ForecastVintages:
        """Return one forecast; a market of tables reads ``VintageFiles``, too."""
        assert isinstance(source, AemoVintageFiles)
        return source.read(name, selected.get("region", ""))

    def checked(self, series: MarketSeries) -> MarketSeries:
        """Return the series with notes on its forecasts, whose times and values must be plausible."""
        ranges = {name: source.lead_range_h for name, source in self._sources().items()}
        return check_vintages(series, ranges, self.price_range, self.settled_range(series.start))

    def _sources(self) -> dict[str, Source]:
        """Return the files of each forecast by its name.

        Raises:
            ConfigError: an entry lacks a field, or has one that there is not.
        """
        sources: dict[str, Source] = {}
        for name, entry in self.forecasts.items():
            field, given = f"market.forecasts.{name}", dict(entry)
            form = given.get("format", TABLE)
            require(form in self.formats, f"{field}.format", f"must be {' or '.join(self.formats)}", form)
            with at(field):
                if form == TABLE:
                    given.pop("format", None)
                    sources[name] = VintageFiles(**{**VintageFiles.usual, **given})
                else:
                    sources[name] = AemoVintageFiles(**{**AemoVintageFiles.usual, **given})
        return sources
