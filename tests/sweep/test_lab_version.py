"""Lab version: it changes with the lab's source and with the versions of its packages."""

from __future__ import annotations

import pytest

from battery_lab.sweep import lab_version
from battery_lab.sweep.lab_version import lab_source_digest


@pytest.fixture(autouse=True)
def clear_cache():
    lab_source_digest.cache_clear()
    yield
    lab_source_digest.cache_clear()


def test_source_digest_depends_on_source_and_package_versions(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("one = 1\n")
    monkeypatch.setattr(lab_version, "PACKAGE", tmp_path)
    first = lab_source_digest()
    lab_source_digest.cache_clear()
    (tmp_path / "a.py").write_text("one = 2\n")
    changed = lab_source_digest()
    lab_source_digest.cache_clear()
    monkeypatch.setattr(lab_version.metadata, "version", lambda name: "9.9")
    assert len({first, changed, lab_source_digest()}) == 3
