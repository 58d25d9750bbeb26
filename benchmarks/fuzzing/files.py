"""Files of fuzzed commands: price files and run folders, sound and damaged."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

DAYS = 24
HEADERS = {
    "table": "timestamp,price",
    "aemo": "REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE",
}
SUFFIXES = (".csv", ".csv", ".csv", ".csv.gz", ".parquet", ".zip", "")
CELLS = ("", "nan", "1e400", "-", "NA", "x", '"', '"a', "1,5", "9" * 400, "\x00", "é", "2024-13-45", "1e9", "inf", "-0")


@dataclass(frozen=True)
class Places:
    """Where commands find files.

    Attributes:
        home: the working directory of the commands.
        stored_run: a sound run folder; commands may add evaluations to it.
    """

    home: Path
    stored_run: Path

    def in_home(self) -> list[str]:
        """Return the override that keeps results in the home."""
        return ["outputs=outputs"]

    def sound_market(self, random: Random) -> list[str]:
        """Return overrides that choose a sound market of some days."""
        path = self.home / "prices.csv"
        if not path.exists():
            path.write_text(price_table("table", Random(0)))
        return ["market=table", f"market.path={path}", "market.time_zone=Etc/GMT-10", "market.currency=EUR"]

    def damaged_prices(self, random: Random) -> tuple[str, Path]:
        """Write a price file, damage it, and return the market that reads it and its path."""
        kind = random.choice(sorted(HEADERS))
        folder = self.home / "damaged"
        folder.mkdir(exist_ok=True)
        path = folder / f"prices_{random.randrange(8)}{random.choice(SUFFIXES)}"
        if path.is_dir():
            shutil.rmtree(path)
        content = random.choice(PRICE_DAMAGES)(price_table(kind, random), random)
        path.write_bytes(gzip.compress(content)[: random.choice((None, -9, 40))] if path.suffix == ".gz" else content)
        market = kind if random.random() < 0.8 else random.choice(("aemo", "nyiso", "caiso", "ercot", "table"))
        return market, random.choice((path, path, path, path, folder, folder / "*"))

    def damaged_run(self, random: Random) -> Path:
        """Copy the stored run, damage one of its files, and return the copy."""
        copy = self.home / "damaged_run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.stored_run, copy, ignore=shutil.ignore_patterns("evaluations", "tensorboard"))
        file = random.choice(sorted(path for path in copy.rglob("*") if path.is_file()))
        random.choice(FILE_DAMAGES)(file, random)
        return copy


def price_table(kind: str, random: Random) -> str:
    """Return an hourly price file of some days."""
    rows, hours = [HEADERS[kind]], 24 * DAYS
    start = np.datetime64("2024-01-01T00:00:00") + np.arange(hours) * np.timedelta64(1, "h")
    for hour, stamp in enumerate(start):
        price = 50 + 40 * np.sin(hour * np.pi / 12) + random.gauss(0, 10)
        text = str(stamp).replace("T", " ")
        if kind == "aemo":
            rows.append(f"VIC1,{text.replace('-', '/')},5000,{price:.2f},TRADE")
        else:
            rows.append(f"{stamp}Z,{price:.2f}")
    return "\n".join(rows) + "\n"


def _cells(text: str, random: Random) -> bytes:
    """Replace some cells."""
    rows = text.split("\n")
    for _ in range(random.choice((1, 2, 20))):
        place = random.randrange(len(rows))
        cells = rows[place].split(",")
        cells[random.randrange(len(cells))] = random.choice(CELLS)
        rows[place] = ",".join(cells)
    return "\n".join(rows).encode()


def _rows(text: str, random: Random) -> bytes:
    """Move, repeat or remove some rows."""
    rows = text.split("\n")
    place = random.randrange(len(rows))
    cut = rows[place : place + random.choice((1, 2, 50))]
    where = random.randrange(len(rows))
    changed = random.choice(
        (rows[:place] + rows[place + len(cut) :], rows[:where] + cut + rows[where:], rows[::-1], rows[1:], rows[:1])
    )
    return "\n".join(changed).encode()


def _bytes(text: str, random: Random) -> bytes:
    """Replace some bytes."""
    content = bytearray(text.encode())
    for _ in range(random.choice((1, 5, 100))):
        content[random.randrange(len(content))] = random.randrange(256)
    return bytes(content)


def _start(text: str, random: Random) -> bytes:
    return text.encode()[: random.choice((0, 1, 10, 100, 1000, len(text) // 2))]


def _before(text: str, random: Random) -> bytes:
    before = random.choice(
        ("\n", "\n\n", "# a comment\n", "\ufeff", ",,,\n", "PK\x03\x04", "PAR1", "\x00" * 100, "x" * 100_000)
    )
    return before.encode() + text.encode()


def _encoding(text: str, random: Random) -> bytes:
    return text.encode(random.choice(("utf-16", "utf-32", "utf-8", "cp037")))


def _separator(text: str, random: Random) -> bytes:
    return text.replace(",", random.choice((";", "\t", "|", " ", ", "))).encode()


def _sound(text: str, random: Random) -> bytes:
    return text.encode()


PRICE_DAMAGES: tuple[Callable[[str, Random], bytes], ...] = (
    *(_cells, _rows, _bytes, _start, _before, _encoding, _separator, _sound),
)


def _truncate(file: Path, random: Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: random.choice((0, 1, len(content) // 2, max(len(content) - 1, 0)))])


def _flip(file: Path, random: Random) -> None:
    content = bytearray(file.read_bytes() or b"x")
    for _ in range(random.choice((1, 1, 10))):
        content[random.randrange(len(content))] = random.randrange(256)
    file.write_bytes(bytes(content))


def _replace(file: Path, random: Random) -> None:
    texts = ("", "x", "{}", "[]", "null", "1", '{"a": 1}', "a: [", "\x00", "- 1\n- 2", '{"version": 99}', "\ufeff{}")
    file.write_text(random.choice(texts))


def _remove(file: Path, random: Random) -> None:
    file.unlink()


def _make_folder(file: Path, random: Random) -> None:
    file.unlink()
    file.mkdir()


def _lines(file: Path, random: Random) -> None:
    lines = file.read_bytes().split(b"\n")
    place = random.randrange(len(lines))
    new = (
        b"",
        b"x",
        lines[place] * 2,
        lines[place].replace(b": ", b": -"),
        lines[place][:-1],
        lines[place].partition(b":")[0] + b": 1e99",
    )
    lines[place] = random.choice(new)
    file.write_bytes(b"\n".join(lines))


FILE_DAMAGES: tuple[Callable[[Path, Random], None], ...] = (
    *(_truncate, _flip, _replace, _remove, _make_folder, _lines, _lines),
)
