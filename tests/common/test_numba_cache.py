"""Numba cache: one folder per version of the sources."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from battery_lab.common.numba_cache import VARIABLE, keep_compiled_code, numba_sources_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "physics.py").write_text("import numba\nloss = 0.1\n")
    return tmp_path / "package"


def test_changed_source_gets_another_folder(package, monkeypatch):
    keep_compiled_code(package)
    first = os.environ[VARIABLE]
    monkeypatch.delenv(VARIABLE)
    (package / "physics.py").write_text("import numba\nloss = 0.2\n")
    keep_compiled_code(package)
    assert os.environ[VARIABLE] != first
    assert os.environ[VARIABLE].endswith(numba_sources_digest(package))


def test_oldest_folders_are_removed(package, monkeypatch, tmp_path):
    for loss in range(7):
        (package / "physics.py").write_text(f"import numba\nloss = {loss}\n")
        monkeypatch.delenv(VARIABLE, raising=False)
        keep_compiled_code(package)
    kept = list((tmp_path / "cache" / "battery_lab").iterdir())
    assert len(kept) == 4
    assert os.environ[VARIABLE] in [str(path) for path in kept]


def test_folder_of_the_user_is_kept(package, monkeypatch):
    monkeypatch.setenv(VARIABLE, "elsewhere")
    keep_compiled_code(package)
    assert os.environ[VARIABLE] == "elsewhere"


def test_numba_uses_the_folder(tmp_path):
    script = "import battery_lab, numba; print(numba.config.CACHE_DIR)"
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    out = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert out.strip().startswith(str(tmp_path / "battery_lab"))


def test_source_without_numba_does_not_change_the_digest(package):
    before = numba_sources_digest(package)
    (package / "words.py").write_text("greeting = 1\n")
    assert numba_sources_digest(package) == before
