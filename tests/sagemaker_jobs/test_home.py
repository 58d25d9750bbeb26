"""What a job left is unpacked within bounds."""

from __future__ import annotations

import io
import tarfile

import pytest
from sagemaker_jobs import home
from sagemaker_jobs.ending import came_to, ended

from battery_lab.errors import DataError
from battery_lab.sweep.journal import State


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_are_unpacked(tmp_path):
    home.unpack(archive(tmp_path / "a.tar.gz", {"metrics.json": b"{}", "policy/x": b"1"}), tmp_path / "run")
    assert (tmp_path / "run" / "policy" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../out", "policy/../../out"])
def test_nothing_is_written_outside(tmp_path, name):
    with pytest.raises(DataError, match="cannot be unpacked"):
        home.unpack(archive(tmp_path / "a.tar.gz", {name: b"1"}), tmp_path / "deep" / "run")
    assert not (tmp_path / "out").exists() and not (tmp_path / "deep" / "out").exists()


def test_links_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    home.unpack(tmp_path / "a.tar.gz", tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "LARGEST_BYTES", 10)
    with pytest.raises(DataError, match="holds more than"):
        home.unpack(archive(tmp_path / "a.tar.gz", {"a": b"12345678901"}), tmp_path / "run")


def test_a_torn_archive_is_told(tmp_path):
    whole = archive(tmp_path / "a.tar.gz", {"a": bytes(range(256)) * 100})
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        home.unpack(whole, tmp_path / "run")


def told(**facts):
    return {"TrainingJobName": "battery-lab-x", "TrainingJobArn": "arn", "TrainingJobStatus": "Completed", **facts}


def test_a_job_is_billed_by_its_hosts_and_spot_saves():
    about = told(TrainingTimeInSeconds=3600, BillableTimeInSeconds=1080)
    cost = came_to(about, {"ml.a": 1.0, "ml.b": 2.0}, [("ml.a", 1), ("ml.b", 2)], "USD")
    assert (cost.billable_seconds, cost.cost, cost.saved) == (1080, pytest.approx(1.5), pytest.approx(3.5))


def test_a_cost_is_not_guessed():
    cost = came_to(told(TrainingTimeInSeconds=60), {}, [("ml.a", 1)], "USD")
    assert (cost.training_seconds, cost.billable_seconds, cost.cost) == (60, 60, None)


class NoHome:
    """Brings nothing."""

    def note(self, *_):
        pass

    log = curves = note


@pytest.mark.parametrize(
    ("facts", "unwanted", "state", "reason"),
    [
        ({"TrainingJobStatus": "Stopped"}, True, State.STOPPED, None),
        ({"TrainingJobStatus": "Stopped"}, False, State.FAILED, "somebody else than the sweep stopped battery-lab-x"),
        (
            {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
            False,
            State.FAILED,
            "battery-lab-x ran into hydra.launcher.max_run_s: raise it; the same command goes on from its checkpoint",
        ),
        ({"TrainingJobStatus": "Failed", "FailureReason": "no"}, False, State.FAILED, "battery-lab-x: no"),
    ],
)
def test_endings_are_in_the_sweeps_words(tmp_path, facts, unwanted, state, reason):
    about = told(**facts)
    ending = ended(0, tmp_path, about, came_to(about, {}, [], "USD"), NoHome(), "who", unwanted)
    assert (ending.state, ending.reason) == (state, reason)
