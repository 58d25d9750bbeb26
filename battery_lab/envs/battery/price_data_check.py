"""Price data check: which market reads some files, what their prices are like, and whether they suffice to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from battery_lab.common.errors import DataError
from battery_lab.envs.battery.price_data_text import check_text
from battery_lab.envs.battery.price_picture import draw_prices
from battery_lab.envs.battery.short_history import history_notes
from battery_lab.envs.battery.split_advice import SplitAdvice, advise
from battery_lab.envs.data_check_interface import Option
from battery_lab.market.data_check.data_source import DataSource, find_source, load_series
from battery_lab.market.data_check.price_quality import rows_quality, series_quality
from battery_lab.market.data_check.recognition import Reader
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.readers.file_market_base import FileMarket

if TYPE_CHECKING:
    from battery_lab.envs.battery.environment import BatteryMarket


@dataclass(frozen=True, kw_only=True)
class PriceDataCheck:
    """What was found in price files; see ``DataCheck`` in ``envs/data_check_interface.py``.

    Attributes:
        option: the environment, for its split.
        source: the files and what reads them.
        series: the series; None if the files cannot be read as they are.
        refusal: why they cannot; None if they can.
    """

    option: BatteryMarket
    source: DataSource
    series: MarketSeries | None
    refusal: DataError | None

    @cached_property
    def advice(self) -> SplitAdvice | None:
        """How the series is split; None without a series."""
        return None if self.series is None else advise(self.option, self.series)

    @property
    def problem(self) -> str:
        if self.refusal is not None:
            return str(self.refusal)
        return self.advice.problem if self.advice else ""

    @property
    def name(self) -> str:
        location = "" if self.series is None else self.series.name
        names = dict.fromkeys([Path(self.source.values["path"]).name.split(".")[0], location])
        return (
            "_".join("".join(c if c.isalnum() else "-" for c in name).strip("-") for name in names if name) or "prices"
        )

    @property
    def overrides(self) -> Mapping[str, Any]:
        chosen = {f"market.{name}": value for name, value in self.source.values.items()}
        return {"market": self.source.reader.name, **chosen, **(self.advice.overrides if self.advice else {})}

    def facts(self) -> Mapping[str, Any]:
        source, series, advice = self.source, self.series, self.advice
        limits = None if series is None else source.market().limits_by_time(series.start)
        quality = None if series is None else series_quality(series, limits)
        return {
            "path": source.values["path"],
            "readable": series is not None,
            "files": len(source.files),
            "first_file": source.files[0].name,
            "last_file": source.files[-1].name,
            "market": source.reader.name,
            "options": dict(source.values),
            "names": dict(source.names),
            "choices": {name: list(names) for name, names in source.choices.items()},
            "assumed": {name: {"value": self._value(name), "why": why} for name, why in source.assumed.items()},
            "unread_columns": list(source.others),
            "reading": self._reading(),
            "quality": quality,
            "rows": self._rows() if series is None else None,
            "split": None if advice is None else self._split(advice),
            "warnings": self._warnings(),
            "problem": self.problem,
        }

    def text(self) -> str:
        return check_text(self.facts())

    def draw(self, path: Path) -> bool:
        if self.series is None:
            return False
        draw_prices(self.series, path)
        return True

    def _reading(self) -> dict[str, Any]:
        source, sample = self.source, self.source.sample
        market = source.market()
        reading = {"separator": sample.separator, "encoding": sample.encoding, "clock_of_stamps": market.stamp_zone()}
        if self.series is not None:
            shortest_h, _ = self.series.published_interval_h or (self.series.interval_h,) * 2
            shortest_s = round(3600 * shortest_h)
            reading["stamps"] = "end" if market.marks_end(shortest_s) else "start"
            kind = market.price_kind(source.files, source.names, shortest_s)
            reading["product"] = kind or source.product or ""
        return reading

    def _value(self, option: str) -> Any:
        return self.source.values.get(option, self.source.reader.defaults.get(option))

    def _rows(self) -> dict[str, Any] | None:
        try:
            return rows_quality(self.source.market().rows())
        except DataError:
            return None

    def _split(self, advice: SplitAdvice) -> dict[str, Any]:
        split, series = advice.split, advice.series
        periods = {}
        if split is not None:
            for name, (first, end) in {"training": (0, split.train_end), **split.periods}.items():
                days = round((end - first) / series.intervals_per_day, 3)
                local = series.local_start
                periods[name] = {"days": days, "first": local[first].isoformat(), "last": local[end - 1].isoformat()}
        return {
            "fits": split is not None and not advice.overrides,
            "days": round(series.days, 3),
            "needed_days": round(advice.needed_days, 3),
            "missing_days": round(max(0.0, advice.needed_days - series.days), 3),
            "validation_days": self.option.validation_days,
            "test_days": self.option.test_days,
            "episode_days": self.option.episode_days,
            "overrides_that_fit": advice.overrides,
            "periods": periods,
        }

    def _warnings(self) -> list[str]:
        warnings = [f"The files look {self.source.note}"] if self.source.note else []
        if self.series is not None:
            warnings += self.series.notes
            if self.advice is not None and self.advice.split is not None:
                warnings += history_notes(self.advice.series, self.advice.split)
        return warnings


def check_prices(
    option: BatteryMarket, path: str, options: Mapping[str, Option], chosen: str | None, given: Mapping[str, Any]
) -> PriceDataCheck:
    """Check price files; see ``DataCheckingEnvironment.check_data``."""
    readers = [
        Reader(name=name, kind=kind, defaults=defaults)
        for name, (kind, defaults) in options.items()
        if issubclass(kind, FileMarket)
    ]
    source, series, refusal = load_series(find_source(path, readers, chosen, given))
    return PriceDataCheck(option=option, source=source, series=series, refusal=refusal)
