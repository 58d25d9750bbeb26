"""The journal keeps every recorded event, whatever a kill leaves of the file."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lab.sweep.journal import JOURNAL, Journal, TrialState


def read(folder):
    journal = Journal(folder)
    journal.read()
    return journal


def filled(folder):
    """Return a journal with three trials: done, failed and not started."""
    journal = Journal(folder)
    for name in ("a", "b", "c"):
        journal.add_trial(name, "source", [f"algo={name}"])
    journal.record_start(0, folder / "0", 100, 0)
    journal.record_outcome(0, TrialState.DONE, 0.5)
    journal.record_start(1, folder / "1", 100, 0)
    journal.record_start(1, folder / "1", 100, 50)
    journal.record_outcome(1, TrialState.FAILED, reason="no such file", raised=True)
    return journal


def test_another_process_reads_the_same_entries(tmp_path):
    journal = filled(tmp_path)
    assert read(tmp_path).entries == journal.entries
    done, failed, waiting = journal.entries.values()
    assert (done.state, done.result, done.tries, done.choices) == (TrialState.DONE, 0.5, 1, ("algo=a",))
    assert (failed.state, failed.reason, failed.raised) == (TrialState.FAILED, "no such file", True)
    assert (failed.tries, failed.env_steps, failed.folder, failed.budget) == (2, 50, "1", 100)
    assert (waiting.state, waiting.started_at) == (TrialState.WAITING, None)


def test_journals_of_earlier_versions_are_read(tmp_path):
    events = [
        {"event": "listed", "number": 0, "identity": "a", "source": "s", "choices": ["algo=a"], "at": 1.0},
        {"event": "begun"}  # codespell:ignore begun
        | {"number": 0, "folder": "0", "budget": 100, "env_steps": 0, "at": 2.0},
        {"event": "ended", "number": 0, "state": "failed", "result": None, "reason": "x", "raised": True, "at": 3.0},
    ]
    (tmp_path / JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in events))
    (entry,) = read(tmp_path).entries.values()
    assert (entry.state, entry.tries, entry.reason) == (TrialState.FAILED, 1, "x")
    assert (entry.started_at, entry.finished_at) == (2.0, 3.0)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(json.dumps({"event": "again", "number": 0, "at": 4.0}) + "\n")
    assert read(tmp_path).entries[0].state == TrialState.WAITING


def test_a_kill_at_any_byte_loses_at_most_one_event(tmp_path):
    filled(tmp_path / "whole")
    data = (tmp_path / "whole" / JOURNAL).read_bytes()
    lines = data.splitlines(keepends=True)
    ends = [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    # Every third byte of each line, and the bytes around each line end.
    cuts = {*range(0, len(data), 3), *ends, *(end - 1 for end in ends[1:])}
    for cut in sorted(cuts):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / JOURNAL).write_bytes(data[:cut])
        journal = read(folder)
        kept = max(count for count, end in enumerate(ends) if end <= cut)
        (folder / "kept").mkdir()
        (folder / "kept" / JOURNAL).write_bytes(b"".join(lines[:kept]))
        assert journal.entries == read(folder / "kept").entries, cut
        # The next event is not lost in the torn line.
        entry = journal.add_trial("new", "source", [])
        assert read(folder).entries == journal.entries and read(folder).entries[entry.number].identity == "new"


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_lines_that_cannot_be_parsed_are_skipped(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("torn")
    filled(folder)
    expected = read(folder).entries
    with (folder / JOURNAL).open("ab") as file:
        file.write(data.replace(b"\n", b"") + b"\n")
    assert read(folder).entries == expected


@pytest.mark.parametrize(
    "event",
    [
        {"event": "started", "number": 9},
        {"event": "finished", "number": 0},
        {"event": ["x"], "number": 0},
        {"number": 0},
        [1],
    ],
)
def test_incomplete_events_change_nothing(tmp_path, event):
    expected = filled(tmp_path).entries
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(json.dumps(event) + "\n")
    assert read(tmp_path).entries == expected


def test_known_trials_keep_their_number_and_new_ones_get_the_next(tmp_path):
    filled(tmp_path)
    journal = read(tmp_path)
    assert journal.find("b").number == 1 and journal.find("d") is None
    assert journal.add_trial("d", "source", []).number == 3
    reset = journal.add_trial("b", "another source", ["algo=b"])
    assert (reset.number, reset.state, reset.source, reset.tries) == (1, TrialState.WAITING, "another source", 0)
    assert read(tmp_path).entries == journal.entries


def test_a_retry_request_of_another_process_is_returned_once(tmp_path):
    journal, other = filled(tmp_path), read(tmp_path)
    other.request_retry(1)
    other.request_retry(0)
    journal.record_start(2, tmp_path / "2", None, 0)
    assert journal.take_retry_requests() == [1]
    assert journal.take_retry_requests() == []
    assert journal.entries[1].state == TrialState.WAITING
    assert journal.entries[0].state == TrialState.DONE


def test_lines_of_several_writers_do_not_mix(tmp_path):
    filled(tmp_path)

    def write(number):
        journal = read(tmp_path)
        for _ in range(20):
            journal.record_outcome(number, TrialState.FAILED, reason="x" * 3000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in (tmp_path / JOURNAL).read_text().splitlines() if line]
    assert sum(json.loads(line)["event"] == "finished" for line in lines) == 2 + 60


def test_a_dry_journal_writes_nothing(tmp_path):
    journal = Journal(tmp_path / "sweep", dry=True)
    assert journal.add_trial("a", "source", []).number == 0
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("result", [float("nan"), object(), {"deep": {1, 2}}])
def test_a_result_that_json_cannot_represent_is_stored_as_null(tmp_path, result):
    journal = filled(tmp_path)
    journal.record_outcome(2, TrialState.DONE, result)
    assert read(tmp_path).entries[2].result is None
