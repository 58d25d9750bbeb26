"""Tune sweep on a Ray cluster: interrupted, resumed, and its best point."""

from __future__ import annotations

import signal

import pytest
import yaml

from tests.launchers.stub_hydra_app import RAY, App, until

TUNE = (
    *RAY,
    "hydra/sweeper=battery_lab_tune",
    *("hydra.sweeper.samples=6", "hydra.sweeper.search_seed=0", "hydra.sweeper.prune=false"),
    *("hydra.sweeper.grace_steps=null", "hydra.sweeper.reduction=3", "hydra.sweeper.repeats=[seed]"),
)


@pytest.mark.slow
@pytest.mark.parametrize("search", ["random", "optuna"])
def test_an_interrupted_search_is_resumed(search, tmp_path):
    app = App(tmp_path, TUNE)
    overrides = [f"hydra.sweeper.search={search}", "number=interval(0,4)"]
    first = app.start(*overrides, "does=nodes")
    until(lambda: len(results(app)) >= 2, seconds=180)
    first.send_signal(signal.SIGINT)
    output, _ = first.communicate(timeout=120)
    assert "stopped by SIGINT; resume with" in output
    before = results(app)
    assert len(before) < 6
    status, output = app.run(*overrides, "does=nodes")
    assert status == 0, output
    after = results(app)
    assert before.items() <= after.items() and sorted(after) == list(range(6))
    assert len(set(after.values())) == 6
    # Trials that were done did not run again.
    assert all(len(app.processes(number)) == 1 for number in before)
    best = yaml.safe_load((app.home / "sweep" / "optimization_results.yaml").read_text())
    assert best["best_value"] == max(after.values()) and best["points"] == 6
    assert best["best_params"]["number"] == pytest.approx(2 * best["best_value"])
    assert f"validation capture {best['best_value']:.3f}" in output


def results(app):
    """Return the result of each trial that is done."""
    if not (app.home / "sweep" / "journal.jsonl").exists():
        return {}
    return {number: result for number, state, result in app.outcomes() if state == "done"}
