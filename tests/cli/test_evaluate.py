"""`battery-lab evaluate`: a stored policy evaluated again, on its own market and on others."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.typed_commands import figures, like, looks, start
from tests.compositions import write_market


def test_evaluate_has_help(lab):
    output = lab("evaluate", "--help")
    assert output.status == 0
    assert "run=outputs/runs/<run>" in output.out


@pytest.fixture
def evaluate(lab, finished):
    """Evaluate the finished run again; returns the output and the metrics of the newest evaluation."""

    def run(*choices: str):
        output = lab("evaluate", f"run={finished.folder}", *choices)
        evaluations = sorted(finished.folder.glob("evaluations/*/metrics.json"))
        return output, json.loads(evaluations[-1].read_text()) if evaluations else {}

    return run


def test_evaluating_again_gives_the_same_figures(evaluate, finished):
    output, again = evaluate()
    assert output.status == 0
    own = figures(finished.folder)
    assert {key: own[key] for key in again} == again


def test_evaluating_at_another_wear_price_changes_profit_and_not_revenue(evaluate, finished):
    output, again = evaluate("battery.wear_per_mwh=25")
    own, key = figures(finished.folder), "test/{}_per_day"
    assert again[key.format("revenue")] == pytest.approx(own[key.format("revenue")])
    wear, at_25 = (x[key.format("revenue")] - x[key.format("profit")] for x in (own, again))
    assert at_25 == pytest.approx(2.5 * wear)


def test_a_bound_on_filled_prices_and_columns_of_a_stored_market_may_change(evaluate):
    # write_market gives no columns, so that a new one can be removed again.
    output, _ = evaluate("env.max_filled_h=null", "+market.columns.again=price", "~market.columns.again")
    assert output.status == 0, output.err
    output, _ = evaluate("+algo.lr=1")
    assert output.status != 0 and "algo.lr cannot change" in output.err


def test_evaluating_on_another_market_uses_its_prices(evaluate, finished, tmp_path: Path):
    other = [choice for choice in write_market(tmp_path / "other", seed=5) if not choice.startswith("outputs=")]
    output, again = evaluate(*other)
    assert output.status == 0, output.err
    best = "baseline/perfect_foresight/profit_per_day"
    assert again[best] != figures(finished.folder)[best]
    newest = sorted(finished.folder.glob("evaluations/*"))[-1]
    assert json.loads((newest / "choices.json").read_text())["market"] == "table"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["battery.wear=3"], "battery.wear is not an option: .*; did you mean battery.wear_per_mwh?"),
        (["batteri.power_mw=3"], "batteri.power_mw is not an option: .*; did you mean battery.power_mw?"),
        (["battery.power_mw=x"], "battery.power_mw must be greater than 0 MW, got 'x'"),
        (["battery.power_mw=-1"], "battery.power_mw must be greater than 0 MW, got -1"),
        (
            ["algo.lr=1"],
            "algo.lr cannot change, as the policy is already trained: .* takes market, battery, .*",
        ),
        (["env.actions=bids"], "env.actions cannot change, as the policy is already trained: .*"),
        (["env.action_levels=5"], "env.action_levels cannot change, as the policy is already trained: .*"),
        (["env.bid_levels=3"], "env.bid_levels cannot change, as the policy is already trained: .*"),
        (["seed=1"], "seed cannot change, as the policy is already trained: .*"),
        (["observation=window"], "observation cannot change, as the policy is already trained: .*"),
        (["market=aemoo"], "market=aemoo is not an option: market can be aemo, .*; did you mean market=aemo?"),
        (["market=aemo"], "market.path must be given: add market.path=... to the command"),
        (["market=aemo", "market.path=no"], "market.path=no: no such file, folder or glob, relative to .*"),
        (["seed=1", "seed=2"], "seed=1 and seed=2 cannot be combined: leave one out"),
        (["battery"], "'battery' must be written as key=value, .*"),
    ],
)
def test_an_error_ends_in_one_message(evaluate, choices: list[str], message: str):
    output, _ = evaluate(*choices)
    assert output.status == 1
    assert like(f"error: {message}\n", output.err), output.err


@pytest.mark.walk
def test_an_error_is_the_only_output_of_a_process(finished):
    process = start(finished.home, "evaluate", f"run={finished.folder}", "market=aemo")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == "error: market.path must be given: add market.path=... to the command\n"


def test_evaluate_needs_a_run(lab, tmp_path: Path):
    assert lab("evaluate", "market=aemo").err.startswith("error: run=<folder> must name the folder of a run")
    output = lab("evaluate", f"run={tmp_path}")
    assert output.err == f"error: run={tmp_path} must name a run folder that holds trial.yaml, and it holds none\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("trial.yaml", "algo: ["),
        ("trial.yaml", "- a list"),
        ("policy/policy.json", "{"),
        ("policy/policy.json", "{}"),
        ("policy/policy.json", '{"format": 1}'),
        ("policy/weights.safetensors", "short"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(lab, finished, tmp_path: Path, file: str, text: str):
    shutil.copytree(finished.folder, tmp_path / "run")
    (tmp_path / "run" / file).write_text(text)
    output = lab("evaluate", "run=run")
    assert output.status == 1
    assert output.err.startswith(f"error: run/{file} "), output.err
    assert len(output.err.splitlines()) == 1


def test_a_market_that_is_too_short_for_its_periods_is_refused_before_a_look_at_test(evaluate, finished):
    looks = (finished.folder / "test_looks.jsonl").read_text()
    output, _ = evaluate("env.test_days=40")
    assert like("error: market .* holds 24.0 days, and the split needs at least .*\n", output.err), output.err
    assert (finished.folder / "test_looks.jsonl").read_text() == looks


def test_a_look_at_test_time_is_noted_with_its_command(lab, finished, tmp_path):
    first, *_ = looks(finished.folder)
    assert shlex.split(first)[:4] == ["python", "-m", "battery_lab", "tracking=none"]
    typed = [f"rerun={finished.folder}", "seed=4", f"hydra.run.dir={tmp_path / 'with space'}"]
    assert lab(*typed).status == 0
    (again,) = looks(tmp_path / "with space")
    assert shlex.split(again) == ["python", "-m", "battery_lab", *typed]
