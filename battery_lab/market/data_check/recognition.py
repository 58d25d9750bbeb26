"""Recognition: which option of conf/market reads some files, and if none does, what the closest one misses.

A reader says by which columns it recognises its files (``FileMarket.recognised_by``), so a reader of your own is found
in the same way. The table is for all other files: it recognises none, and its columns are guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery_lab.common.errors import DataError
from battery_lab.market.data_check.file_sample import FileSample, sampled, take_sample
from battery_lab.market.file_formats.file_search import find_files, tables_in
from battery_lab.market.file_formats.table_columns import plain
from battery_lab.market.readers.file_market_base import FileMarket
from battery_lab.market.readers.table import TableMarket

# Files of which the first rows are looked at, and those whose names of regions, zones or nodes are collected.
SAMPLED_FILES, NAMED_FILES = 12, 200
# Columns of forecasts that say when they were issued, without case, blanks and punctuation.
ISSUED = (
    *("predispatchseqno", "predispatchrundatetime", "rundatetime", "runtime"),
    *("issued", "issuedat", "issuetime", "forecastissued", "forecastissuedat", "forecasttime", "forecastissuetime"),
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """An option of conf/market that reads files.

    Attributes:
        name: the option, such as ``aemo``.
        kind: its class.
        defaults: the values of its YAML; those that the user must give are absent.
    """

    name: str
    kind: type[FileMarket]
    defaults: Mapping[str, Any]

    def build(self, **values: Any) -> FileMarket:
        """Return the market with some values instead of the defaults.

        Raises:
            ConfigError: a value is missing, unknown or breaks a rule.
        """
        return self.kind(**{**self.defaults, **values})

    @property
    def is_table(self) -> bool:
        return issubclass(self.kind, TableMarket)

    def missing(self, sample: FileSample) -> tuple[list[str], int] | None:
        """Return the columns that a file lacks to be one of this reader's, and how many its files have.

        The kind of files is the one of which it lacks the fewest. None if the reader recognises none.
        """
        kinds = [(sample.missing(columns), len(columns)) for columns in self.kind.recognised_by]
        return min(kinds, key=lambda kind: (len(kind[0]), -kind[1]), default=None)

    def fits(self, sample: FileSample) -> int:
        """Return the number of columns by which a file is recognised; 0 if it is not."""
        found = self.missing(sample)
        return found[1] if found and not found[0] else 0


def samples_of(path: str, readers: Sequence[Reader]) -> tuple[list[Path], list[FileSample]]:
    """Return all files that a path names, those in archives included, and the first rows of some of them.

    Raises:
        DataError: there are no such files, or one cannot be read.
    """
    suffixes = tuple(dict.fromkeys(end for reader in readers for end in reader.kind.suffixes))
    files = tables_in(find_files(path, suffixes), suffixes)
    return files, [take_sample(file) for file in sampled(files, SAMPLED_FILES)]


def check_settled(samples: Sequence[FileSample]) -> None:
    """Raise DataError if a file has a column that only forecasts have, such as the run that issued them."""
    for sample in samples:
        issued = next((name for name in sample.header if plain(name) in ISSUED), None)
        if issued is not None:
            raise DataError(
                f"{sample.file} has a column {issued}, so it holds forecasts, and no settled prices: training on them "
                "would be look-ahead. Name files of settled prices; if these are, choose market=table"
            )


def recognise(samples: Sequence[FileSample], readers: Sequence[Reader]) -> Reader | None:
    """Return the reader whose files these are; None if they are no reader's.

    Raises:
        DataError: files are of several readers.
    """
    found = [_reader_of(sample, readers) for sample in samples]
    names = {reader.name if reader else "" for reader in found}
    if len(names) == 1:
        return found[0]
    of_each = {
        reader.name if reader else "of no operator": sample.file for reader, sample in zip(found, samples, strict=True)
    }
    kinds = ", ".join(f"{file.name} is {name}" for name, file in of_each.items())
    raise DataError(
        f"the files are of several kinds: {kinds}. Name those of one kind, for example with a glob ('*.csv')"
    )


def _reader_of(sample: FileSample, readers: Sequence[Reader]) -> Reader | None:
    # Of two readers whose columns a file has, the one that looks for more of them is the more certain one.
    best = max(readers, key=lambda reader: reader.fits(sample), default=None)
    return best if best and best.fits(sample) else None


def closest(sample: FileSample, readers: Sequence[Reader]) -> tuple[Reader, list[str]] | None:
    """Return the reader of whose columns a file lacks the fewest, and these; None if it lacks half of them or more."""
    found = [(reader, *missing) for reader in readers if (missing := reader.missing(sample)) is not None]
    near = [(reader, lacking, columns) for reader, lacking, columns in found if 2 * len(lacking) < columns]
    best = min(near, key=lambda item: (len(item[1]), -item[2]), default=None)
    return best[:2] if best else None


def closest_in_words(sample: FileSample, readers: Sequence[Reader]) -> str:
    """Return which reader comes closest to a file and what it misses, as a sentence."""
    near = closest(sample, readers)
    if near is None:
        operators = ", ".join(sorted(reader.name for reader in readers if reader.kind.recognised_by))
        return f"They have less than half of the columns of any operator's files ({operators})."
    return f"Closest to {near[0].name}, which misses {', '.join(near[1])}."
