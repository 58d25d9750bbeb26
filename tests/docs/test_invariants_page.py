"""The page on invariants: its example prints what it says, and its table names every invariant."""

from __future__ import annotations

import re
from pathlib import Path

from battery_lab.envs.battery import dispatch_invariants

PAGE = (Path(__file__).parents[2] / "docs" / "invariants.md").read_text()


def test_the_example_prints_what_the_page_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "invariants.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_the_table_names_every_invariant():
    code = Path(dispatch_invariants.__file__).read_text()
    names = set(re.findall(r'_first\(\s*"([a-z ]+)"', code)) | {f"account of {dispatch_invariants.ACCOUNTS[0]}"}
    table = PAGE.partition("| invariant | rule |")[2].partition("\n\n")[0]
    assert len(names) > 10
    assert [name for name in names if name not in table] == []
