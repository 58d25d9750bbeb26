"""Time to capture: seconds to each target, and targets that were missed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks import bench, time_to_capture
from tests.compositions import SMALL, SMALL_NETWORK, write_market


def test_a_target_is_reached_at_its_first_validation() -> None:
    curve = [(2.0, 0.2), (4.0, 0.52), (6.0, 0.46), (8.0, 0.56)]
    figures = time_to_capture.figures(curve)
    assert [figures[name] for name in ("0.45", "0.5", "0.55", "0.6")] == [4.0, 4.0, 8.0, math.inf]
    assert (figures["capture at the end"], figures["seconds at the end"]) == (0.56, 8.0)


def test_all_recipes_run_with_each_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tasks = []

    def run(*arguments: str, timeout_s: float) -> str:
        tasks.append(json.loads(arguments[-1])["overrides"])
        return f"some log\n{json.dumps([[5.0, 0.1], [9.0, 0.52]])}"

    monkeypatch.setattr(time_to_capture, "run_python", run)
    assert bench.main(["--part", "capture", "--repeats", "2", "--out", str(tmp_path / "b.json")]) == 0
    recipes = list(time_to_capture.RECIPES.values())
    assert tasks == [[*recipe, f"seed={seed}"] for seed in (0, 1) for recipe in recipes]
    measured = json.loads((tmp_path / "b.json").read_text())["capture"]
    assert measured["PPO"]["0.5"]["median"] == 9.0
    assert "|PPO|9|9|-|-|0.520|9|" in time_to_capture.table(measured)


def test_a_training_is_validated_on_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(time_to_capture, "VALIDATIONS", 2)
    recipe = ("algo=bid_curves", "reward=degradation", "algo.levels=9", "algo.slice_intervals=96", "algo.num_workers=1")
    market = write_market(tmp_path)
    curve = time_to_capture.train([*recipe, *SMALL, *SMALL_NETWORK, *market], str(tmp_path / "outputs"))
    assert len(curve) == 2 and curve[0][0] < curve[1][0]
    assert all(capture <= 1 for _, capture in curve)
