"""What a sweep costs beside the commands of its trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bench, sweep_overhead


def test_a_sweep_is_timed_beside_the_commands_of_its_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[tuple[str, ...]] = []

    def lab(outputs: Path, *choices: str, cores: int = 1) -> float:
        given.append(choices)
        if "--multirun" not in choices:
            return 10.0
        return 42.0 if cores == 1 else 21.0

    monkeypatch.setattr(sweep_overhead, "_lab", lab)
    out = tmp_path / "b.json"
    assert bench.main(["--part", "sweeps", "--repeats", "2", "--out", str(out)]) == 0
    found = json.loads(out.read_text())["sweeps"]
    assert found[sweep_overhead.COST]["median"] == 0.5
    assert found[sweep_overhead.GAIN]["median"] == 2.0
    folders = [choice for choices in given for choice in choices if choice.startswith("hydra.sweep.dir=")]
    # A folder that was swept before would be passed over.
    assert len(set(folders)) == 4


def test_a_sweep_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sweep_overhead, "STEPS", -1)
    with pytest.raises(RuntimeError, match=r"train.env_steps must be .* got -1"):
        sweep_overhead._lab(tmp_path, "tracking=none")
