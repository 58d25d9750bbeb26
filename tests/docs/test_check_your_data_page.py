"""The page on `battery-lab data check`: its script makes the files, and its output is what the command prints."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from tests.cli.typed_commands import command

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "check-your-data.md").read_text()


def test_the_output_on_the_page_is_that_of_the_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ((name, script),) = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    Path(name).write_text(script)
    runpy.run_path(name)
    (expected,) = re.findall(r"<!-- output -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    output = command(monkeypatch, tmp_path, "data", "check", "prices/")
    assert (output.status, output.err) == (0, "")
    assert output.out == expected
