"""Resume and rerun: how a run is resumed and repeated, what it prints, and what its folder records."""

from __future__ import annotations

import json
import re

import pytest
from hydra_plugins.battery_lab_launchers import _local_pool
from omegaconf import OmegaConf

from battery_lab.common.errors import LabError
from battery_lab.config.compose import compose
from battery_lab.config.stored_trial import check_resumed, store_trial
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.refuse_finished_run import refuse_finished_run
from tests.cli.in_process_pool import InThisProcess
from tests.cli.typed_commands import figures, looks


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
            refuse_finished_run(tmp_path, budget, plateau)
    else:
        refuse_finished_run(tmp_path, budget, plateau)


def test_a_damaged_checkpoint_or_metrics_file_is_reported_before_resuming(tmp_path):
    checkpoint = tmp_path / "checkpoints" / "000000001024"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{")
    (tmp_path / "metrics.json").write_text('{"train/env_steps": 1024}')
    with pytest.raises(LabError, match=r"state.json is damaged .* delete the folder of that checkpoint"):
        refuse_finished_run(tmp_path, 1024, 0)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(LabError, match=r"metrics.json is damaged .* remove it to have the run evaluated again"):
        refuse_finished_run(tmp_path, 1024, 0)


def test_an_option_that_only_refuses_data_may_change(tmp_path):
    before = compose([])
    # As an earlier version stored it.
    OmegaConf.set_struct(before, False)
    del before.env["max_filled_h"]
    store_trial(before, tmp_path)
    check_resumed(compose([]), tmp_path)
    check_resumed(compose(["env.max_filled_h=null"]), tmp_path)
    with pytest.raises(LabError, match=r"env\.test_days cannot change with resume="):
        check_resumed(compose(["env.max_filled_h=null", "env.test_days=3"]), tmp_path)
