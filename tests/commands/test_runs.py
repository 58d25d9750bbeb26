"""A run as a person follows it, and how it goes on, repeats and keeps its choices."""

from __future__ import annotations

import re

import pytest
from omegaconf import OmegaConf

from battery_lab.experiment import Experiment
from tests.commands.terminal import figures


def test_a_run_prints_plain_lines_where_there_is_no_terminal(finished):
    assert (finished.status, finished.err) == (0, "")
    assert "\x1b" not in finished.out
    lines = finished.out.splitlines()
    assert lines[0] == f"run folder: {finished.folder}"
    assert re.match(r" +[\d,]+ steps +[\d,]+/s +reward", lines[1])
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert any(line.split()[:1] == ["perfect_foresight"] for line in lines)


def test_a_run_folder_holds_what_was_chosen(finished):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_ppo_regret_[0-9a-f]{6}", finished.folder.name)
    assert "algo.num_envs=8" in OmegaConf.load(finished.folder / ".hydra" / "overrides.yaml")
    trial = OmegaConf.load(finished.folder / "trial.yaml")
    assert trial.algo.num_envs == 8
    assert (trial.resume, trial.rerun) == (None, None)


def test_a_rerun_repeats_the_run(lab, tmp_path, finished):
    assert lab(f"rerun={finished.folder}", "outputs=elsewhere").status == 0
    (again,) = (tmp_path / "elsewhere" / "runs").iterdir()
    assert figures(again) == figures(finished.folder)
    assert "_rerun_" in again.name


def test_a_rerun_takes_single_values_but_no_groups(lab, monkeypatch, finished):
    taken = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    assert lab(f"rerun={finished.folder}", "seed=7", "battery.power_mw=5").status == 0
    assert (taken[0].seed, taken[0].env.battery.power_mw) == (7, 5)
    said = lab(f"rerun={finished.folder}", "algo=sac")
    assert said.err.startswith("error: algo=sac cannot be chosen with rerun=, which takes the stored choices")
    assert "did you mean algo.lr?" in lab(f"rerun={finished.folder}", "algo.lrr=1").err
    assert "leave it out" in lab(f"rerun={finished.folder}", "--config-dir", "mine").err


def test_a_sweep_of_reruns_lands_among_the_sweeps(lab, monkeypatch, tmp_path, finished):
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: {"validation/capture": 0.0})
    assert lab("-m", f"rerun={finished.folder}", "seed=1,2").status == 0
    assert len(list(tmp_path.glob("outputs/sweeps/*/[01]/trial.yaml"))) == 2


@pytest.mark.parametrize("choice", ["algo.lr=0.5", "seed=3", "battery.power_mw=5", "+reward.terms.x=1"])
def test_a_run_does_not_go_on_as_another_trial(lab, finished, choice: str):
    key = choice.partition("=")[0].lstrip("+")
    said = lab(f"resume={finished.folder}", choice)
    assert said.status == 1
    assert re.fullmatch(rf"error: {key} cannot change with resume=, .* or start another trial .*\n", said.err), said.err
    assert (finished.folder / "metrics.json").is_file()


def test_a_run_goes_on_with_a_larger_budget_and_remembers_it(lab, monkeypatch, finished):
    taken = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    before = (finished.folder / "trial.yaml").read_text()
    assert lab(f"resume={finished.folder}", "train.env_steps=9e3", "tracking.x=null", "~tracking.x").status == 1
    assert lab(f"resume={finished.folder}", "train.env_steps=9e3").status == 0
    assert taken[0].train.env_steps == 9000
    assert OmegaConf.load(finished.folder / "trial.yaml").train.env_steps == 9000
    (finished.folder / "trial.yaml").write_text(before)
