"""What a job left is unpacked within bounds."""

from __future__ import annotations

import io
import tarfile

import pytest
from sagemaker_jobs.collect import results as job_results
from sagemaker_jobs.collect.outcome import came_to, ended

from battery_lab.common.errors import DataError
from battery_lab.sweep.journal import State


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_are_unpacked(tmp_path):
    job_results.unpack(archive(tmp_path / "a.tar.gz", {"metrics.json": b"{}", "policy/x": b"1"}), tmp_path / "run")
    assert (tmp_path / "run" / "policy" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../out", "policy/../../out"])
def test_nothing_is_written_outside(tmp_path, name):
    with pytest.raises(DataError, match="cannot be unpacked"):
        job_results.unpack(archive(tmp_path / "a.tar.gz", {name: b"1"}), tmp_path / "deep" / "run")
    assert not (tmp_path / "out").exists() and not (tmp_path / "deep" / "out").exists()


def test_links_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    job_results.unpack(tmp_path / "a.tar.gz", tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(job_results, "LARGEST_BYTES", 10)
    with pytest.raises(DataError, match="holds more than"):
        job_results.unpack(archive(tmp_path / "a.tar.gz", {"a": b"12345678901"}), tmp_path / "run")


def test_a_torn_archive_is_told(tmp_path):
    whole = archive(tmp_path / "a.tar.gz", {"a": bytes(range(256)) * 100})
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        job_results.unpack(whole, tmp_path / "run")


JOB = "battery-lab-01234567-0-0123456789abcdef-1"


def told(**facts):
    hosts = {"InstanceType": "ml.a", "InstanceCount": 1}
    own = {"TrainingJobName": JOB, "TrainingJobArn": "arn", "TrainingJobStatus": "Completed", "ResourceConfig": hosts}
    return {**own, **facts}


def test_a_job_is_billed_by_its_hosts_and_spot_saves():
    groups = [{"InstanceType": "ml.a", "InstanceCount": 1}, {"InstanceType": "ml.b", "InstanceCount": 2}]
    about = told(TrainingTimeInSeconds=3600, BillableTimeInSeconds=1080, ResourceConfig={"InstanceGroups": groups})
    cost = came_to(about, {"ml.a": 1.0, "ml.b": 2.0}, "USD")
    assert (cost.billable_seconds, cost.cost, cost.saved) == (1080, pytest.approx(1.5), pytest.approx(3.5))


def test_a_cost_is_not_guessed():
    cost = came_to(told(TrainingTimeInSeconds=60), {}, "USD")
    assert (cost.training_seconds, cost.billable_seconds, cost.cost) == (60, 60, None)


class NoHome:
    """Brings nothing."""

    def note(self, *_):
        pass

    log = curves = checkpoint = results = note


class HalfHome(NoHome):
    """Brings results, and has no right to what else there is."""

    def results(self, folder, about):
        (folder / "metrics.json").write_text('{"validation/capture": 0.5}')

    def log(self, *_):
        raise DataError("AccessDenied: no logs for you")

    checkpoint = log


def test_a_trial_is_done_without_what_it_does_not_depend_on(tmp_path, capsys):
    ending = ended(0, tmp_path, told(), came_to(told(), {}, "USD"), HalfHome(), "who")
    assert (ending.state, ending.result) == (State.DONE, 0.5)
    assert capsys.readouterr().err.count("AccessDenied: no logs for you") == 2


@pytest.mark.parametrize(
    ("facts", "unwanted", "state", "reason"),
    [
        ({"TrainingJobStatus": "Stopped"}, True, State.STOPPED, None),
        ({"TrainingJobStatus": "Stopped"}, False, State.FAILED, f"somebody else than the sweep stopped {JOB}"),
        (
            {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
            False,
            State.FAILED,
            f"{JOB} ran into hydra.launcher.max_run_s: raise it; the same command goes on from its checkpoint",
        ),
        ({"TrainingJobStatus": "Failed", "FailureReason": "no"}, False, State.FAILED, f"{JOB}: no"),
    ],
)
def test_endings_are_in_the_sweeps_words(tmp_path, facts, unwanted, state, reason):
    about = told(**facts)
    ending = ended(0, tmp_path, about, came_to(about, {}, "USD"), NoHome(), "who", unwanted)
    assert (ending.state, ending.reason) == (state, reason)


@pytest.mark.parametrize(
    ("reason", "attempt", "raised", "lost"),
    [
        ("AlgorithmError: ValueError: no such thing, exit code: 1", 0, True, False),
        ("ClientError: no such image", 0, False, False),
        ("InternalServerError: we encountered an error", 4, False, True),
        # Each costs something, so it is not begun anew for ever.
        ("InternalServerError: we encountered an error", 5, False, False),
    ],
)
def test_the_service_says_whose_fault_it_was(tmp_path, reason, attempt, raised, lost):
    about = told(TrainingJobStatus="Failed", FailureReason=reason, TrainingJobName=f"{JOB[:-1]}{attempt}")
    ending = ended(0, tmp_path, about, came_to(about, {}, "USD"), NoHome(), "who")
    assert (ending.raised, ending.lost) == (raised, lost)


def test_what_local_mode_packs_lies_a_folder_below(tmp_path):
    packed = archive(tmp_path / "a.tar.gz", {"data/metrics.json": b"{}", "failure": b""})
    assert job_results.unpack(packed, tmp_path / "run") == tmp_path / "run" / "data"
