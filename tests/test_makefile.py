"""The Makefile: when `make` sets up again, what it says when something is missing, and its help."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.shell_commands import ROOT, run, succeed


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder where `make` believes that it has set everything up."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".venv").mkdir()
    for second, stamp in enumerate(("locked", "ready")):
        (tmp_path / ".venv" / stamp).write_text("\n")
        os.utime(tmp_path / ".venv" / stamp, (2 + second, 2 + second))
    return tmp_path


def make_has_work(clone: Path, *choices: str) -> bool:
    code = run("make", "-q", "setup", *choices, cwd=clone, TORCH_INDEX_URL="").returncode
    assert code in (0, 1)
    return code == 1


def a_python(folder: Path, script: str) -> str:
    path = folder / "a_python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_a_second_setup_does_nothing(clone: Path) -> None:
    assert not make_has_work(clone)


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_sets_up_again(clone: Path, changed: str) -> None:
    (clone / changed).touch()
    assert make_has_work(clone)


def test_another_build_of_torch_sets_up_again_once(clone: Path) -> None:
    choice = "TORCH_INDEX_URL=https://example.org/cpu"
    assert make_has_work(clone, choice)
    (clone / ".venv" / "locked").write_text("https://example.org/cpu\n")
    os.utime(clone / ".venv" / "locked", (2, 2))
    assert not make_has_work(clone, choice)
    assert not make_has_work(clone)


def test_a_machine_without_python_311_is_told_so(clone: Path) -> None:
    (clone / "requirements.lock").touch()
    other = a_python(clone, '[ "$1" = --version ] && echo Python 3.12.1 && exit 0; exit 1')
    done = run("make", "run", other, cwd=clone)
    assert done.returncode != 0
    assert "needs Python 3.11" in done.stderr
    assert "is Python 3.12.1" in done.stderr
    assert "make run PYTHON=" in done.stderr


def test_a_python_without_venv_is_told_what_to_install(clone: Path) -> None:
    (clone / "requirements.lock").touch()
    bare = a_python(clone, f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = run("make", "setup", bare, cwd=clone)
    assert done.returncode != 0
    assert "apt-get install python3.11-venv" in done.stderr


def test_the_dashboard_says_where_trials_are_and_reports_to_nobody(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$MLFLOW_DISABLE_TELEMETRY $DO_NOT_TRACK $*"\n')
    python.chmod(0o755)
    lines = succeed("make", "dashboard", "PORT=5123", cwd=clone).splitlines()
    assert lines[0] == "Open http://127.0.0.1:5123/#/experiments?workflowType=machine_learning"
    assert lines[-1].startswith("true true -m mlflow ui ")
    assert "--host 127.0.0.1 --port 5123" in lines[-1]


def test_help_names_every_target(clone: Path) -> None:
    text = succeed("make", cwd=clone)
    for target in ("setup", "system", "run", "test", "lint", "dashboard", "clean"):
        assert re.search(rf"^{target} +\S", text, re.MULTILINE), target
