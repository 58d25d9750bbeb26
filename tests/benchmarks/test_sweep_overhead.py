"""The overhead of sweeps beside the commands of their trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bench, sweep_overhead


def test_sweep_is_compared_with_the_commands_of_its_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = []

    def lab(outputs: Path, *overrides: str, cores: int = 1) -> float:
        calls.append(overrides)
        if "--multirun" not in overrides:
            return 10.0
        return 42.0 if cores == 1 else 21.0

    monkeypatch.setattr(sweep_overhead, "run_lab", lab)
    out = tmp_path / "b.json"
    assert bench.main(["--part", "sweeps", "--repeats", "2", "--out", str(out)]) == 0
    measured = json.loads(out.read_text())["sweeps"]
    assert measured[sweep_overhead.COST]["median"] == 0.5
    assert measured[sweep_overhead.GAIN]["median"] == 2.0
    folders = [choice for overrides in calls for choice in overrides if choice.startswith("hydra.sweep.dir=")]
    # The lab skips a sweep folder that is finished.
    assert len(set(folders)) == 4


@pytest.mark.walk
def test_failed_sweep_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sweep_overhead, "STEPS", -1)
    with pytest.raises(RuntimeError, match=r"train.env_steps must be .* got -1"):
        sweep_overhead.run_lab(tmp_path, "tracking=none")
