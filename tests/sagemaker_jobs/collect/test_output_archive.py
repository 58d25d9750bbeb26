"""Archives of results are unpacked completely, within limits, and only below their folder."""

from __future__ import annotations

import io
import tarfile

import pytest
from sagemaker_jobs.collect import output_archive
from sagemaker_jobs.collect.output_archive import unpack

from battery_lab.common.errors import DataError


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_are_unpacked(tmp_path):
    unpack(archive(tmp_path / "a.tar.gz", {"metrics.json": b"{}", "policy/x": b"1"}), tmp_path / "run")
    assert (tmp_path / "run" / "policy" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../out", "policy/../../out"])
def test_files_outside_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive(tmp_path / "a.tar.gz", {name: b"1"}), tmp_path / "deep" / "run")
    assert not (tmp_path / "out").exists() and not (tmp_path / "deep" / "out").exists()


def test_links_are_ignored(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    unpack(tmp_path / "a.tar.gz", tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_an_archive_above_the_size_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(output_archive, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="holds more than"):
        unpack(archive(tmp_path / "a.tar.gz", {"a": b"12345678901"}), tmp_path / "run")


def test_a_truncated_archive_is_an_error(tmp_path):
    complete = archive(tmp_path / "a.tar.gz", {"a": bytes(range(256)) * 100})
    complete.write_bytes(complete.read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(complete, tmp_path / "run")


def test_the_run_is_found_in_the_data_folder_of_local_mode(tmp_path):
    tarball = archive(tmp_path / "a.tar.gz", {"data/metrics.json": b"{}", "failure": b""})
    assert unpack(tarball, tmp_path / "run") == tmp_path / "run" / "data"
