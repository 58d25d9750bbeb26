"""Policy table: columns, and their rendering in a terminal."""

from __future__ import annotations

from pathlib import Path

from battery_lab.report.policy_table import columns
from tests.report.report_pages import World, make_table, terminal, write


def test_numbers_do_not_wrap_on_a_narrow_terminal() -> None:
    figures = {"profit_per_day": -6557.0, "revenue_per_day": 6940.0, "capture": -0.123, "lift_over_rule": -1.17}
    table = make_table(a_policy_with_a_long_name=figures | {"equivalent_full_cycles_per_day": 12.08})
    text = terminal(table, 60)
    assert all(cell in text for cell in ("−6,557", "6,940", "−0.123", "−117%", "12.08"))


def test_unknown_metrics_come_last() -> None:
    table = make_table(ppo={"waiting_hours_per_day": 7.5, "capture": 0.5, "profit_per_day": 1.0})
    found = {column.heading: column.cells for column in columns(table, World())}
    assert found == {"profit": ["1.00"], "capture": ["0.500"], "waiting hours per day": ["7.50"]}
    assert list(found)[-1] == "waiting hours per day"


def test_policy_name_is_neither_markup_nor_terminal_control() -> None:
    text = terminal(make_table(**{"[bold]x[/bold]\x1b[2J": {"capture": 0.5}}), 80)
    assert "[bold]x[/bold]\N{REPLACEMENT CHARACTER}[2J" in text


def test_what_policies_knew_stands_above_their_captures(tmp_path: Path) -> None:
    world = World()
    assert "Policies in the test period" in terminal(make_table(), 80, world)
    assert "<h2>Policies in the test period</h2>" in write(tmp_path, world=world).raw
    world.known, world.known_code = "bids [bold]", 2
    assert "Policies in the test period (bids [bold])" in terminal(make_table(), 80, world)
    assert "<h2>Policies in the test period (bids [bold])</h2>" in write(tmp_path, world=world).raw


def test_notes_on_the_data_stand_below_the_table_whatever_they_contain():
    world = World()
    assert "filled" not in terminal(make_table(), 100, world)
    world.data_counts, world.data_notes = dict, lambda: ["5 prices filled", "[red]a file[/red]: rows \x1b[31m 2 to 3"]
    lines = terminal(make_table(), 100, world).rstrip().splitlines()
    assert [line.rstrip() for line in lines[-2:]] == ["5 prices filled", "[red]a file[/red]: rows \ufffd[31m 2 to 3"]
