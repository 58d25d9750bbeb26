"""Command times, with one real start."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks import bench, bid_curve_threads, command_times, sweep_overhead, time_to_capture


def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each start take a second longer than the one before."""
    starts: dict[str, int] = {}

    def start(algo: str, outputs: str) -> dict[str, float]:
        starts[algo] = starts.get(algo, 0) + 1
        return {command_times.START: float(starts[algo])}

    monkeypatch.setattr(command_times, "time_start", start)
    monkeypatch.setattr(command_times, "time_help", lambda: 0.5)
    monkeypatch.setattr(command_times, "time_trial", lambda algo, outputs: {command_times.TRIAL: 7.0})


def test_first_repetition_fills_the_caches_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch)
    measured = command_times.measure(["ppo", "dqn"], 3)
    assert measured["dqn"] == {command_times.START: {"median": 3.0, "min": 2.0, "max": 4.0}}
    assert measured[""][command_times.HELP]["median"] == 0.5
    table = command_times.table(measured)
    assert table.splitlines()[3] == "|||ppo|dqn|"  # the first column of figures is that of --help
    assert "|start, s||3.00 (2.00 to 4.00)|3.00 (2.00 to 4.00)|" in table
    assert f"|{command_times.TRIAL}||7.00 (7.00 to 7.00)||" in table


def test_startup_times_are_stored_beside_other_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    out.write_text('{"ppo": {"lab": 10.0}}')
    assert bench.main(["--part", "startup", "--algos", "ppo", "--repeats", "1", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    assert written["ppo"]["lab"] == 10.0
    assert written["startup"]["ppo"][command_times.START]["median"] == 2.0


def test_failed_command_is_reported_with_its_output() -> None:
    with pytest.raises(RuntimeError, match="no space left"):
        command_times.run_python("-c", "raise SystemExit('no space left')")


def test_failed_start_keeps_the_output_of_other_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(algo: str, outputs: str) -> dict[str, float]:
        raise RuntimeError("no space left")

    fake(monkeypatch)
    monkeypatch.setattr(command_times, "time_start", failing)
    monkeypatch.setattr(bench, "measure", lambda groups, options: ({}, []))
    monkeypatch.setattr(bid_curve_threads, "measure", lambda repeats: {})
    monkeypatch.setattr(bid_curve_threads, "table", lambda measured: "")
    monkeypatch.setattr(sweep_overhead, "measure", lambda repeats: {})
    monkeypatch.setattr(time_to_capture, "measure", lambda repeats: {})
    out = tmp_path / "b.json"
    assert bench.main(["--part", "all", "--repeats", "1", "--out", str(out)]) == 1
    assert "scaling" in json.loads(out.read_text())
    assert "no space left" in capsys.readouterr().out


@pytest.mark.walk
def test_real_start_is_measured(tmp_path: Path) -> None:
    started_at = time.time()
    seconds = command_times.time_start("ppo", str(tmp_path))
    assert 0 < seconds[command_times.WITHOUT_IMPORTS] < seconds[command_times.START] < time.time() - started_at
    assert 0 < seconds[command_times.YEAR] < 60


@pytest.mark.walk
def test_whole_trial_is_measured(tmp_path: Path) -> None:
    seconds = command_times.time_trial("bid_curves", str(tmp_path))
    assert 0 < seconds[command_times.TRIAL] < 300
    assert seconds[command_times.TRIAL_CPU] > 1
    assert list(tmp_path.glob("runs/*/report.html"))
