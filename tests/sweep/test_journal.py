"""The journal holds what was told to it, whatever a kill leaves of it."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lab.sweep.journal import JOURNAL, Journal, State


def read(folder):
    journal = Journal(folder)
    journal.read()
    return journal


def lived(folder):
    """A journal with a trial that is done, one that failed and one that has yet to begin."""
    journal = Journal(folder)
    for name in ("a", "b", "c"):
        journal.add_trial(name, "source", [f"algo={name}"])
    journal.record_start(0, folder / "0", 100, 0)
    journal.record_outcome(0, State.DONE, 0.5)
    journal.record_start(1, folder / "1", 100, 0)
    journal.record_start(1, folder / "1", 100, 50)
    journal.record_outcome(1, State.FAILED, reason="no such file", raised=True)
    return journal


def test_another_process_reads_what_was_noted(tmp_path):
    journal = lived(tmp_path)
    assert read(tmp_path).entries == journal.entries
    done, failed, waiting = journal.entries.values()
    assert (done.state, done.result, done.tries, done.choices) == (State.DONE, 0.5, 1, ("algo=a",))
    assert (failed.state, failed.reason, failed.raised) == (State.FAILED, "no such file", True)
    assert (failed.tries, failed.env_steps, failed.folder, failed.budget) == (2, 50, "1", 100)
    assert (waiting.state, waiting.started_at) == (State.WAITING, None)


def test_a_kill_at_any_byte_costs_one_event_at_most(tmp_path):
    lived(tmp_path / "whole")
    data = (tmp_path / "whole" / JOURNAL).read_bytes()
    lines = data.splitlines(keepends=True)
    ends = [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    for cut in range(len(data) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / JOURNAL).write_bytes(data[:cut])
        journal = read(folder)
        kept = max(count for count, end in enumerate(ends) if end <= cut)
        (folder / "kept").mkdir()
        (folder / "kept" / JOURNAL).write_bytes(b"".join(lines[:kept]))
        assert journal.entries == read(folder / "kept").entries, cut
        # And what is noted then is not lost in what the kill left.
        entry = journal.add_trial("new", "source", [])
        assert read(folder).entries == journal.entries and read(folder).entries[entry.number].identity == "new"


@given(st.binary(max_size=200))
def test_what_no_journal_wrote_is_passed_over(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("torn")
    lived(folder)
    wanted = read(folder).entries
    with (folder / JOURNAL).open("ab") as file:
        file.write(data.replace(b"\n", b"") + b"\n")
    assert read(folder).entries == wanted


@pytest.mark.parametrize(
    "event", [{"event": "begun", "number": 9}, {"event": "ended", "number": 0}, {"number": 0}, [1]]
)
def test_events_that_say_too_little_change_nothing(tmp_path, event):
    wanted = lived(tmp_path).entries
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(json.dumps(event) + "\n")
    assert read(tmp_path).entries == wanted


def test_numbers_stay_and_new_trials_get_the_next_one(tmp_path):
    lived(tmp_path)
    journal = read(tmp_path)
    assert journal.find("b").number == 1 and journal.find("d") is None
    assert journal.add_trial("d", "source", []).number == 3
    anew = journal.add_trial("b", "another source", ["algo=b"])
    assert (anew.number, anew.state, anew.source, anew.tries) == (1, State.WAITING, "another source", 0)
    assert read(tmp_path).entries == journal.entries


def test_a_wish_from_another_process_is_told_once(tmp_path):
    journal, other = lived(tmp_path), read(tmp_path)
    other.request_retry(1)
    other.request_retry(0)
    journal.record_start(2, tmp_path / "2", None, 0)
    assert journal.take_retry_requests() == [1]
    assert journal.take_retry_requests() == []
    assert journal.entries[1].state == State.WAITING
    assert journal.entries[0].state == State.DONE


def test_several_writers_tear_no_line(tmp_path):
    lived(tmp_path)

    def write(number):
        journal = read(tmp_path)
        for _ in range(20):
            journal.record_outcome(number, State.FAILED, reason="x" * 3000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in (tmp_path / JOURNAL).read_text().splitlines() if line]
    assert sum(json.loads(line)["event"] == "ended" for line in lines) == 2 + 60


def test_a_dry_journal_writes_nothing(tmp_path):
    journal = Journal(tmp_path / "sweep", dry=True)
    assert journal.add_trial("a", "source", []).number == 0
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("result", [float("nan"), object(), {"deep": {1, 2}}])
def test_a_result_that_json_cannot_hold_is_kept_as_none(tmp_path, result):
    journal = lived(tmp_path)
    journal.record_outcome(2, State.DONE, result)
    assert read(tmp_path).entries[2].result is None
