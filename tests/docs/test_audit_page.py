"""The page on audits: its example is an honest function, and its table names what a function is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from battery_lab.envs.battery.decision_input import DecisionInput
from battery_lab.envs.battery.physics import Battery
from tests.cli.typed_commands import command
from tests.compositions import write_market

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
SHORT = ("env.episode_days=2", "env.validation_days=3", "env.test_days=4", "observation=minimal", "moments=3")


def test_the_example_passes_the_audit(monkeypatch, tmp_path):
    (match,) = re.finditer(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / match[1]
    path.parent.mkdir()
    path.write_text(match[2])
    (typed,) = re.findall(r"<!-- run -->\n```sh\nPYTHONPATH=\. battery-lab (.*?)\n```", PAGE)
    monkeypatch.syspath_prepend(tmp_path)
    market = write_market(tmp_path / "data")[:-1]
    output = command(monkeypatch, tmp_path, *typed.split(), *market, *SHORT)
    assert (output.status, output.err) == (0, "")
    assert "\npassed\n" in output.out


@pytest.mark.parametrize("field", DecisionInput._fields)
def test_the_table_names_every_field(field):
    table = PAGE.partition("| field of `known`")[2].partition("\n\n")[0]
    assert re.search(rf"`{field}\b", table)


def test_the_named_properties_of_the_battery_exist():
    (row,) = re.findall(r"^\| `battery` \| (.*) \|$", PAGE, re.MULTILINE)
    names = re.findall(r"`(\w+)`", row)
    assert len(names) > 5
    assert all(hasattr(Battery, name) or name in Battery.__annotations__ for name in names)
