"""Printed lines: what a run prints where there is no terminal."""

from __future__ import annotations

import re


def test_a_run_prints_plain_lines_where_there_is_no_terminal(finished):
    assert (finished.status, finished.err) == (0, "")
    assert "\x1b" not in finished.out
    lines = finished.out.splitlines()
    assert lines[0] == f"run folder: {finished.folder}"
    assert lines[1].startswith("note: The training period has 17 days with prices, less than a year")
    assert lines[2].startswith("note: The test period has 4 days with prices, less than 90")
    assert re.match(r" +[\d,]+ steps +[\d,]+/s +reward", lines[3])
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert any(line.split()[:1] == ["perfect_foresight"] for line in lines)
