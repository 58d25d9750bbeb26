"""Resume and rerun: how a run is resumed and repeated, what it prints, and what its folder records."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from hydra_plugins.battery_lab_launchers import _local_pool
from omegaconf import OmegaConf

from battery_lab.common.errors import LabError
from battery_lab.config.stored_trial import load_trial, store_trial, trial
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.finished_run_check import check_unfinished
from tests.cli.in_process_pool import InThisProcess
from tests.cli.run_commands import figures


def test_a_run_prints_plain_lines_where_there_is_no_terminal(finished):
    assert (finished.status, finished.err) == (0, "")
    assert "\x1b" not in finished.out
    lines = finished.out.splitlines()
    assert lines[0] == f"run folder: {finished.folder}"
    assert re.match(r" +[\d,]+ steps +[\d,]+/s +reward", lines[1])
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert any(line.split()[:1] == ["perfect_foresight"] for line in lines)


def test_a_run_folder_holds_the_choices(finished):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_ppo_regret_[0-9a-f]{6}", finished.folder.name)
    assert "algo.num_envs=8" in OmegaConf.load(finished.folder / ".hydra" / "overrides.yaml")
    stored = OmegaConf.load(finished.folder / "trial.yaml")
    assert stored.algo.num_envs == 8
    assert (stored.resume, stored.rerun) == (None, None)
    assert {path.name for path in finished.home.iterdir()} == {"data", "outputs"}


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
    output = lab(f"rerun={finished.folder}", "algo=sac")
    assert output.err.startswith("error: algo=sac cannot be combined with rerun=, which takes the stored options")
    assert "did you mean algo.lr?" in lab(f"rerun={finished.folder}", "algo.lrr=1").err
    assert "omit it" in lab(f"rerun={finished.folder}", "--config-dir", "custom").err


def test_a_sweep_of_reruns_lands_among_the_sweeps(lab, monkeypatch, tmp_path, finished):
    monkeypatch.setattr(_local_pool, "LocalPool", InThisProcess)
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: {"validation/capture": 0.0})
    assert lab("-m", f"rerun={finished.folder}", "seed=1,2").status == 0
    assert len(list(tmp_path.glob("outputs/sweeps/*/[01]/trial.yaml"))) == 2


@pytest.mark.parametrize("choice", ["algo.lr=0.5", "seed=3", "battery.power_mw=5", "+reward.terms.x=1"])
def test_a_run_is_not_resumed_as_another_trial(lab, finished, choice: str):
    key = choice.partition("=")[0].lstrip("+")
    output = lab(f"resume={finished.folder}", choice)
    assert output.status == 1
    assert re.fullmatch(rf"error: {key} cannot change with resume=, .* or start another trial .*\n", output.err), (
        output.err
    )
    assert (finished.folder / "metrics.json").is_file()


def test_a_run_is_resumed_with_a_larger_budget_and_stores_it(lab, monkeypatch, finished):
    taken = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    before = (finished.folder / "trial.yaml").read_text()
    assert lab(f"resume={finished.folder}", "train.env_steps=9e3", "tracking.x=null", "~tracking.x").status == 1
    assert lab(f"resume={finished.folder}", "train.env_steps=9e3").status == 0
    assert taken[0].train.env_steps == 9000
    assert OmegaConf.load(finished.folder / "trial.yaml").train.env_steps == 9000
    (finished.folder / "trial.yaml").write_text(before)


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


def looks(folder) -> list[str]:
    return [json.loads(line)["command"] for line in (folder / "test_looks.jsonl").read_text().splitlines()]


def test_a_look_at_test_time_is_noted_with_its_command(lab, finished, tmp_path):
    first, *_ = looks(finished.folder)
    assert shlex.split(first)[:4] == ["python", "-m", "battery_lab", "tracking=none"]
    typed = [f"rerun={finished.folder}", "seed=4", f"hydra.run.dir={tmp_path / 'with space'}"]
    assert lab(*typed).status == 0
    (again,) = looks(tmp_path / "with space")
    assert shlex.split(again) == ["python", "-m", "battery_lab", *typed]


def test_a_finished_run_is_not_evaluated_again_by_resuming_it(lab, finished):
    before, steps = looks(finished.folder), figures(finished.folder)["train/env_steps"]
    output = lab(f"resume={finished.folder}")
    assert output.status == 1
    assert output.err == (
        f"error: this run is finished, at {steps:.0f} environment steps: raise train.env_steps to resume it, "
        f"or evaluate it again with battery-lab evaluate run={finished.folder}\n"
    )
    assert "run folder" not in output.out
    assert looks(finished.folder) == before


@pytest.mark.parametrize(
    ("budget", "plateau", "stale", "judged_at", "raises"),
    [
        (1024, 0, 9, 1024, "train.env_steps"),
        (1000, 0, 9, 1024, "train.env_steps"),
        (1025, 0, 9, 1024, None),
        (9999, 3, 3, 1024, "train.stop_on_plateau"),
        (9999, 3, 2, 1024, None),
        # It resumed, and was stopped between its last checkpoint and its evaluation.
        (1024, 0, 0, 512, None),
        (1024, 0, 0, None, None),
        ("abc", 0, 0, 1024, None),
    ],
)
def test_a_run_is_finished_when_its_last_checkpoint_was_evaluated(tmp_path, budget, plateau, stale, judged_at, raises):
    checkpoint = tmp_path / "checkpoints" / "000000001024"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text(json.dumps({"env_steps": 1024, "stale": stale}))
    if judged_at:
        (tmp_path / "metrics.json").write_text(json.dumps({"train/env_steps": float(judged_at)}))
    if raises:
        with pytest.raises(LabError, match=f"this run is finished, .*: raise {raises} to resume it"):
            check_unfinished(tmp_path, budget, plateau)
    else:
        check_unfinished(tmp_path, budget, plateau)


def test_a_damaged_checkpoint_or_metrics_file_is_reported_before_resuming(tmp_path):
    checkpoint = tmp_path / "checkpoints" / "000000001024"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{")
    (tmp_path / "metrics.json").write_text('{"train/env_steps": 1024}')
    with pytest.raises(LabError, match=r"state.json is damaged .* delete the folder of that checkpoint"):
        check_unfinished(tmp_path, 1024, 0)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(LabError, match=r"metrics.json is damaged .* remove it to have the run evaluated again"):
        check_unfinished(tmp_path, 1024, 0)
