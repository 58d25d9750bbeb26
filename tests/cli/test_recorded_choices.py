"""Recorded choices: the options that a run folder records, also where it is resumed or repeated."""

from __future__ import annotations

import re

from omegaconf import OmegaConf

from battery_lab.config.stored_trial import load_trial, store_trial, trial
from battery_lab.experiment.experiment import Experiment


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
