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
from battery_lab.market.file_market_base import FileMarket
from battery_lab.market.file_sample import FileSample, sampled, take_sample
from battery_lab.market.price_files import find_files
from battery_lab.market.table import TableMarket

# Files of which the first rows are looked at, and those whose names of regions, zones or nodes are collected.
SAMPLED_FILES, NAMED_FILES = 12, 200


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

    def missing(self, sample: FileSample) -> list[str] | None:
        """Return the columns that a file lacks to be one of this reader's; None if the reader recognises none."""
        kinds = [sample.missing(columns) for columns in self.kind.recognised_by]
        return min(kinds, key=len) if kinds else None

    @property
    def columns(self) -> int:
        """The most columns by which it recognises files."""
        return max(map(len, self.kind.recognised_by), default=0)


def samples_of(path: str, readers: Sequence[Reader]) -> tuple[list[Path], list[FileSample]]:
    """Return all files that a path names, and the first rows of some of them.

    Raises:
        DataError: there are no such files, or one cannot be read.
    """
    files = find_files(path, tuple(dict.fromkeys(end for reader in readers for end in reader.kind.suffixes)))
    return files, [take_sample(file) for file in sampled(files, SAMPLED_FILES)]


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
    fitting = [reader for reader in readers if reader.missing(sample) == []]
    return max(fitting, key=lambda reader: reader.columns, default=None)


def closest(sample: FileSample, readers: Sequence[Reader]) -> tuple[Reader, list[str]] | None:
    """Return the reader of whose columns a file lacks the fewest, and these; None if it lacks half of them or more."""
    missing = [(reader, lacking) for reader in readers if (lacking := reader.missing(sample)) is not None]
    near = [(len(lacking), reader, lacking) for reader, lacking in missing if 2 * len(lacking) < reader.columns]
    best = min(near, key=lambda item: (item[0], -item[1].columns), default=None)
    return (best[1], best[2]) if best else None


def closest_in_words(sample: FileSample, readers: Sequence[Reader]) -> str:
    """Return which reader comes closest to a file and what it misses, as a sentence."""
    near = closest(sample, readers)
    if near is None:
        operators = ", ".join(sorted(reader.name for reader in readers if reader.columns))
        return f"It has less than half of the columns of any operator's files ({operators})."
    return f"Closest to {near[0].name}, which misses {', '.join(near[1])}."
