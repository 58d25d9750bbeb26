"""Data source: which market reads the files at a path, with which options, and the series that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from battery_lab.common.errors import ConfigError, DataError, shorten
from battery_lab.market.data_check.file_sample import FileSample, sampled
from battery_lab.market.data_check.recognition import (
    NAMED_FILES,
    Reader,
    check_settled,
    closest,
    closest_in_words,
    recognise,
    samples_of,
)
from battery_lab.market.data_check.selector_names import Selection, choose_selection, propose
from battery_lab.market.data_check.table_guess import guess_table
from battery_lab.market.file_formats.row_selection import MixedSelectionError
from battery_lab.market.market_series import MarketSeries
from battery_lab.market.readers.file_market_base import FileMarket

# Options that an error may name as its remedy and that are tried: option -> the value; None: that of the error. The
# report has each of them as a guess, with the error that led to it.
REMEDIES: Mapping[str, Any] = {
    "off_grid": "drop",
    "gaps": "fill_or_split",
    "currency": None,
    "interval_minutes": None,
    "sequence": None,
    "resample": "repeat",
}
MOST_LETTERS = 320  # of an error
NAMED_OPTION = re.compile(r"\bmarket\.(\w+)=(\w*)")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Files, the option of conf/market that reads them, and its values.

    Attributes:
        reader: the option.
        files: the files.
        values: option -> value, for all that the user gave and those that differ from the defaults.
        choices: option -> the names in the files, where they hold several and one was proposed.
        names: selector -> the name that the rows have.
        assumed: option -> why its value is a guess that the files do not confirm.
        product: ``day-ahead`` or ``real-time``, where names say so and the reader does not know.
        others: further columns of numbers in a table.
        note: what speaks for another reader; "" if nothing does.
        sample: the first rows of the first file.
    """

    reader: Reader
    files: Sequence[Path]
    values: Mapping[str, Any]
    choices: Mapping[str, Sequence[str]]
    names: Mapping[str, str]
    assumed: Mapping[str, str]
    product: str | None
    others: Sequence[str]
    note: str
    sample: FileSample

    def market(self) -> FileMarket:
        """Return the market of these values."""
        return self.reader.build(**self.values)

    def with_values(self, **values: Any) -> DataSource:
        """Return the source with further values."""
        return replace(self, values={**self.values, **values})

    def selected(self) -> DataSource:
        """Return the source with a choice for each selector of which the files hold several names."""
        selection = choose_selection(self.market(), sampled(self.files, NAMED_FILES))
        choices = {**self.choices, **selection.choices}
        return replace(self.with_values(**selection.proposed), choices=choices, names=selection.names)


def find_source(path: str, readers: Sequence[Reader], chosen: str | None, given: Mapping[str, Any]) -> DataSource:
    """Find the market and the options that read the files at a path.

    Args:
        path: a file, a folder or a glob.
        readers: the options of conf/market that read files.
        chosen: the option that the user chose; None finds it.
        given: options of the market that the user chose.

    Raises:
        ConfigError: there is no such reader, or an option is none of it.
        DataError: there are no files, one cannot be read, or no reader and no table fits them.
    """
    allowed = [reader for reader in readers if chosen in (None, reader.name)]
    if not allowed:
        raise ConfigError(f"market={chosen} reads no files: choose one of {', '.join(r.name for r in readers)}")
    files, samples = samples_of(path, allowed)
    reader = allowed[0] if chosen else recognise(samples, allowed)
    if reader is None:
        check_settled(samples)
    if reader is None or reader.is_table:
        return _table(path, readers, files, samples[0], given)
    values = {"path": path, **given}
    source = DataSource(
        reader=reader,
        files=files,
        values=values,
        choices={},
        names={},
        assumed={},
        product=None,
        others=(),
        note="",
        sample=samples[0],
    )
    return source.selected()


def _table(
    path: str, readers: Sequence[Reader], files: Sequence[Path], sample: FileSample, given: Mapping[str, Any]
) -> DataSource:
    reader = next((reader for reader in readers if reader.is_table), None)
    try:
        if reader is None:
            raise DataError("there is no market for tables")
        guess = guess_table(files, given)
    except DataError as error:
        seen = f"{closest_in_words(sample, readers)} As a table: {error}"
        raise DataError(f"{path}: no market recognises these files. {seen}\n  {sample.in_words()}") from error
    near = closest(sample, readers)
    differing = {name: value for name, value in guess.values.items() if reader.defaults.get(name) != value}
    return DataSource(
        reader=reader,
        files=files,
        values={"path": path, **differing, **given},
        choices={},
        names={},
        assumed=guess.assumed,
        product=guess.product,
        others=guess.others,
        note=f"close to {near[0].name}, but without {', '.join(near[1])}" if near else "",
        sample=sample,
    )


def load_series(source: DataSource) -> tuple[DataSource, MarketSeries | None, DataError | None]:
    """Load the series of a source, with the options that errors name as remedies and that are in ``REMEDIES``.

    Returns:
        The source with these options; the series, or the error that prevents it.
    """
    tried = dict[str, DataSource]()  # message -> the source that failed with it first
    useless: set[str] = set()
    while True:
        try:
            return source, source.market().load(), None
        except DataError as error:
            before = tried.setdefault(str(error), source)
            if before is not source:
                # What was added since did not help.
                useless |= set(source.values) - set(before.values)
                source = before
            remedy = _remedy(source, error, useless)
            if not remedy:
                return source, None, error
            # With it, files may show their names that did not before.
            why = f"without it: {shorten(str(error).split('. ')[0], MOST_LETTERS)}"
            source = source.with_values(**remedy).selected()
            source = replace(source, assumed={**source.assumed, **dict.fromkeys(remedy, why)})


def _remedy(source: DataSource, error: DataError, useless: set[str]) -> dict[str, Any]:
    """Return an option with a value that an error names as its remedy and that is not set yet; empty without one."""
    options = {field.name for field in fields(source.reader.kind)} - set(source.values) - useless
    if isinstance(error, MixedSelectionError) and error.field in options:
        # The names are in files that were not looked at before.
        selection = Selection()
        propose(source.market(), error.field, error.names, selection)
        return dict(selection.proposed)
    for name, text in NAMED_OPTION.findall(str(error)):
        if name in options and name in REMEDIES:
            value = REMEDIES[name] or (int(text) if text.isdecimal() else text)
            if value:
                return {name: value}
    return {}
