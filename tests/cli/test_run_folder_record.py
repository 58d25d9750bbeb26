"""Run folder record: what a run prints, and the options and looks at test time that its folder records."""

from __future__ import annotations

import re
import shlex

from omegaconf import OmegaConf

from battery_lab.config.stored_trial import load_trial, store_trial, trial
from battery_lab.experiment.experiment import Experiment
from tests.cli.run_commands import looks


def test_a_run_prints_plain_lines_where_there_is_no_terminal(finished):
    assert (finished.status, finished.err) == (0, "")
    assert "\x1b" not in finished.out
    lines = finished.out.splitlines()
    assert lines[0] == f"run folder: {finished.folder}"
    assert lines[1].startswith("note: The training period has 17 days with prices, less than a year")
    assert lines[2].startswith("note: The test period has 4 days with prices, less than 90")
    assert re.match(r" +[\d,]+ steps +[\d,]+/s +reward", lines[3])
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert any(line.split()[:1] == ["perfect_foresight"] for line in lines)


def test_a_run_folder_holds_the_choices(finished):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_ppo_regret_[0-9a-f]{6}", finished.folder.name)
    assert "algo.num_envs=8" in OmegaConf.load(finished.folder / ".hydra" / "overrides.yaml")
    stored = OmegaConf.load(finished.folder / "trial.yaml")
    assert stored.algo.num_envs == 8
    assert (stored.resume, stored.rerun) == (None, None)
    assert {path.name for path in finished.home.iterdir()} == {"data", "outputs"}


CHOICES = {
    "env": "battery", "battery": "default", "market": "table", "reward": "regret", "observation": "compact",
    "network": "mlp", "rollout": "array", "algo": "ppo", "train": "default", "tracking": "none",
}  # fmt: skip


def test_a_trial_records_its_options_and_keeps_the_record(lab, monkeypatch, tmp_path, finished):
    taken = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    before = (finished.folder / "trial.yaml").read_text()
    assert OmegaConf.to_container(OmegaConf.load(finished.folder / "trial.yaml").choices) == CHOICES
    assert lab(f"rerun={finished.folder}", "seed=3").status == 0
    assert lab(f"resume={finished.folder}", "train.env_steps=9e3").status == 0
    assert [experiment.config["choices"] for experiment in taken] == [CHOICES, CHOICES]
    (again,) = tmp_path.glob("outputs/runs/*/trial.yaml")
    for path in (again, finished.folder / "trial.yaml"):
        assert OmegaConf.to_container(OmegaConf.load(path).choices) == CHOICES
    (finished.folder / "trial.yaml").write_text(before)


def test_an_override_of_a_stored_trial_updates_the_record(finished, tmp_path):
    assert trial(finished.folder, ["market=aemo", "market.path=x"]).choices == {**CHOICES, "market": "aemo"}
    assert trial(finished.folder, ["battery.power_mw=1"]).choices == CHOICES
    old = load_trial(finished.folder)
    del old["choices"]
    store_trial(old, tmp_path)
    assert "choices" not in trial(tmp_path, ["market=aemo", "market.path=x"])


def test_a_look_at_test_time_is_noted_with_its_command(lab, finished, tmp_path):
    first, *_ = looks(finished.folder)
    assert shlex.split(first)[:4] == ["python", "-m", "battery_lab", "tracking=none"]
    typed = [f"rerun={finished.folder}", "seed=4", f"hydra.run.dir={tmp_path / 'with space'}"]
    assert lab(*typed).status == 0
    (again,) = looks(tmp_path / "with space")
    assert shlex.split(again) == ["python", "-m", "battery_lab", *typed]
