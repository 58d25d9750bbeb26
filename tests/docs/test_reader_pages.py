"""The pages on operators' files: their commands read the rows that they show, and each reader has a page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hydra.utils import get_class

from battery_lab.market.readers.file_market_base import FileMarket
from tests.market import operator_files as files

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "how-to").glob("read-*.md"))
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```csv\n(?P<text>.*?)```", re.DOTALL)
COMMAND = re.compile(r"```sh\n(battery-lab market=.*?)\n```")
PUBLISHED = re.compile(r"\bpublished at (\d\d:\d\d [\w/+-]+)")


def reader(option: str) -> type[FileMarket]:
    """Return the class of a market option."""
    found: type[FileMarket] = get_class(files.defaults(option)["_target_"])
    return found


def options() -> list[str]:
    """Return the market options that read an operator's files."""
    names = [file.stem for file in files.CONF.glob("*.yaml") if file.stem != "table"]
    return [name for name in names if issubclass(reader(name), FileMarket)]


def test_every_reader_of_an_operators_files_has_a_page_that_the_table_of_markets_links() -> None:
    assert {page.stem.removeprefix("read-") for page in PAGES} == set(options())
    table = (ROOT / "docs" / "market.md").read_text()
    assert [page.name for page in PAGES if f"(how-to/{page.name})" not in table] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_command_of_a_page_reads_its_rows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text()
    ((path, rows),) = FILE.findall(text)
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(rows)
    monkeypatch.chdir(tmp_path)
    (command,) = COMMAND.findall(text)
    chosen = dict(word.split("=", 1) for word in shlex.split(command)[1:])
    option, source = chosen.pop("market"), chosen.pop("market.path")
    assert option == page.stem.removeprefix("read-")
    changes = {name.removeprefix("market."): value for name, value in chosen.items()}
    series = files.read(option, source, **changes)
    assert len(series) >= 2 and not series.gap.any()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_and_option_agree_on_when_day_ahead_prices_are_published(page: Path) -> None:
    default = files.defaults(page.stem.removeprefix("read-")).get("day_ahead_published")
    assert PUBLISHED.findall(page.read_text()) == ([] if default is None else [default])
