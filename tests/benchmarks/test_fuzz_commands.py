"""Fuzzed commands: the grammar, the rules of a right outcome, and over a hundred commands of `make fuzz`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from battery_lab.config.compose import compose
from benchmarks.fuzzing.execution import classify, execute, light_lab
from benchmarks.fuzzing.files import Places
from benchmarks.fuzzing.grammar import Command, Depth, draw_command, draw_subcommand, draw_values
from benchmarks.fuzzing.option_paths import groups, option_paths
from benchmarks.fuzzing.quick_composition import quick_composition
from benchmarks.fuzzing.typed_words import SWEEPING

ROOT = Path(__file__).parents[2]
VALUES, SUBCOMMANDS = 20, 100


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A home with a run folder that was never trained: enough for commands that are only composed and built."""
    home = tmp_path_factory.mktemp("a") / "b" / "home"
    (home / "stored_run").mkdir(parents=True)
    (home / "stored_run" / "trial.yaml").write_text("seed: 0\nenv: {a: 1}\n")
    return Places(home, home / "stored_run")


def test_over_a_hundred_commands_end_in_a_message_or_are_ready_to_run(places):
    # Other options, sweeps, files and training take longer: those are left to `make fuzz`.
    commands = [draw_values(random.Random(f"value/{number}")) for number in range(VALUES)]
    commands += [draw_subcommand(random.Random(f"subcommand/{number}"), places) for number in range(SUBCOMMANDS)]
    with light_lab():
        outcomes = [(command, execute(command, places)) for command in commands]
    assert [(command, outcome) for command, outcome in outcomes if not outcome.is_right] == []
    assert {outcome.kind for _, outcome in outcomes} == {"run", "message", "help"}


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_drawn_command_starts_other_processes(places, drawn):
    command = draw_command(drawn, places)
    names = [argument.lstrip("+~").partition("=")[0] for argument in command.arguments]
    if any(name.startswith(SWEEPING) or name == "--multirun" for name in names) and command.arguments[0] != "sweep":
        assert command.arguments[-1] == "sweep.dry_run=true"


def test_a_seed_repeats_a_command(places):
    first, second = (draw_command(random.Random("0/7"), places) for _ in range(2))
    assert first == second


def test_the_paths_of_all_options_are_known():
    paths = {path.path: path for path in option_paths()}
    assert paths["battery.power_mw"].default == 10.0
    assert paths["reward.terms.wear.weight"].choices == ("+reward/term=wear",)
    assert {"algo.replay.capacity", "train.env_steps", "env.baselines.rule.low_quantile"} <= set(paths)
    assert "ppo" in groups()["algo"]


@pytest.mark.parametrize(
    "overrides", [[], ["algo=sac", "battery.power_mw=3"], ["observation=rich", "+reward/term=wear"]]
)
def test_a_quick_composition_is_the_same(overrides):
    expected = OmegaConf.to_container(compose(overrides))
    with quick_composition():
        for _ in range(2):
            assert OmegaConf.to_container(compose(overrides)) == expected


GOOD = "error: battery.power_mw must be greater than 0 MW, got -3"


@pytest.mark.parametrize(
    ("status", "err", "kind"),
    [
        (0, "", "run"),
        (0, "a warning", "run"),
        (1, GOOD, "message"),
        (1, f"a warning\n{GOOD}", "message"),
        (2, "battery-lab sweep: show", "help"),
        (130, "stopped by SIGINT", "run"),
        (1, "", "unclear"),
        (1, f"an {GOOD}", "unclear"),
        (2, "usage: battery_lab [--help]\nbattery_lab: error: argument --cfg", "unclear"),
        (1, "error: something is wrong", "unclear"),
        (1, "error: battery.power_mw is <class 'str'>", "unclear"),
        (1, "error: battery.power_mw " + "x" * 4000, "unclear"),
        (1, "Traceback (most recent call last):\n  x\nValueError: battery", "traceback"),
        (0, "Traceback (most recent call last):\n  x\nValueError: battery", "traceback"),
        (1, "error: run=<folder> must name a run", "message"),
    ],
)
def test_outcomes_are_classified(status, err, kind):
    assert classify(status, err, ("battery.power_mw=-3",)).kind == kind


def test_an_error_of_the_lab_itself_is_a_traceback(places, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    with light_lab():
        monkeypatch.setattr("battery_lab.experiment.experiment.choose_actions", broken)
        outcome = execute(Command(("seed=1",), Depth.BUILD), places)
    assert (outcome.kind, outcome.is_right) == ("traceback", False)
    assert "ZeroDivisionError: ours" in outcome.text


@pytest.mark.walk
def test_the_command_runs_all_kinds_and_reports_them(tmp_path):
    log = tmp_path / "fuzz.jsonl"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz_commands", "--commands", "12", "--seed", "1", "--log", log],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr + log.read_text()
    assert "12 commands in " in run.stdout
    assert run.stdout.endswith("0 wrong outcomes\n")
    assert [json.loads(line) for line in log.read_text().splitlines()] == []
