"""A search on a Ray cluster: begun, interrupted, gone on with, and what it leaves."""

from __future__ import annotations

import signal

import pytest
import yaml

from tests.launchers.app import App, until

TUNE = ("hydra/launcher=battery_lab_ray", "hydra/sweeper=battery_lab_tune", "hydra.sweeper.prune=false")


@pytest.mark.slow
@pytest.mark.parametrize("search", ["random", "optuna"])
def test_an_interrupted_search_goes_on(search, tmp_path):
    app = App(tmp_path)
    choices = [*TUNE, f"hydra.sweeper.search={search}", "hydra.sweeper.samples=6", "number=interval(0,4)"]
    first = app.start(*choices, "does=nodes")
    until(lambda: len(done(app)) >= 2, seconds=180)
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=120)
    assert "stopped by SIGINT; resume with" in said
    before = done(app)
    assert len(before) < 6
    status, said = app.run(*choices, "does=nodes")
    assert status == 0, said
    after = done(app)
    assert before.items() <= after.items() and sorted(after) == list(range(6))
    assert len(set(after.values())) == 6
    # What was done was not begun again.
    assert all(len(app.processes(number)) == 1 for number in before)
    best = yaml.safe_load((app.home / "sweep" / "optimization_results.yaml").read_text())
    assert best["best_value"] == max(after.values()) and best["points"] == 6
    assert best["best_params"]["number"] == pytest.approx(2 * best["best_value"])
    assert f"validation capture {best['best_value']:.3f}" in said


def done(app):
    """Return the result of each trial that is done."""
    if not (app.home / "sweep" / "journal.jsonl").exists():
        return {}
    return {number: result for number, state, result in app.ends() if state == "done"}
