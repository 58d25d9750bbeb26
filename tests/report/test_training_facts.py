"""Training facts of a report: the options and the training of the run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from battery_lab.envs.interfaces import Recipe
from tests.report.report_pages import Page, World, write

TRIAL = """
choices: {algo: ppo, reward: calm, market: aemo, tracking: mlflow}
seed: 3
algo: {_target_: lab.PPO, lr: 0.1, replay: {_target_: lab.Replay, capacity: 9}}
reward: {_target_: lab.Shaping, terms: {revenue: {weight: 1.0}, wear: {weight: 2.5}}, scale: fitted}
network: {_target_: lab.Mlp, hidden: [16, 8]}
market: {_target_: lab.Market, kinds: [1]}
env: {_target_: lab.Env, reward: "${reward}", baselines: {rule: {_target_: lab.Rule}}}
"""


def facts(page: Page) -> dict[str, str]:
    """Return the heading's lines by label."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.raw))


def write_run(folder: Path, trial: str = TRIAL) -> None:
    (folder / "trial.yaml").write_text(trial)
    figures = {"train/env_steps": 2000128.0, "train/seconds": 111.2, "validation/env_steps": 1500000.0}
    (folder / "metrics.json").write_text(json.dumps(figures))


def test_header_shows_options_and_training_time(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert facts(write(tmp_path)) == {
        "Market": "VIC1",
        "Reward": "calm: revenue, 2.5 x wear",
        "Network": "hidden [16, 8]",
        "Options": "algo=ppo reward=calm market=aemo seed=3",
        "Training run": "2,000,128 environment steps in 1 min 51 s; kept policy at step 1,500,000",
    }


def test_trial_without_choices_shows_its_parts(tmp_path: Path) -> None:
    write_run(tmp_path, TRIAL.replace("choices: {", "others: {"))
    found = facts(write(tmp_path))
    assert (found["Reward"], found["Network"]) == ("revenue, 2.5 x wear", "hidden [16, 8]")
    assert "Options" not in found


def test_option_with_a_single_part_of_the_same_name_appears_once(tmp_path: Path) -> None:
    write_run(tmp_path, "choices: {reward: regret}\nreward: {_target_: lab.Shaping, terms: {regret: {weight: 1}}}")
    assert facts(write(tmp_path))["Reward"] == "regret"


def test_report_of_an_evaluation_shows_the_training_of_the_run(tmp_path: Path) -> None:
    write_run(tmp_path)
    folder = tmp_path / "evaluations" / "later"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"test/capture": 0.5}')
    assert facts(write(folder))["Training run"].startswith("2,000,128 environment steps")


@pytest.mark.parametrize(
    "damaged", ["a: [", "a: 2024-99-01", "- 1", "", "choices: 3\nreward: {_target_: 1, terms: {a: 2}}"]
)
def test_damaged_folder_still_gets_a_report(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "trial.yaml").write_text(damaged)
    (tmp_path / "metrics.json").write_text(damaged)
    assert facts(write(tmp_path))["Market"] == "VIC1"


def test_report_of_a_run_that_is_not_finished_shows_the_given_figures(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "metrics.json").unlink()
    assert "Training run" not in facts(write(tmp_path))
    page = write(tmp_path, figures={"train/env_steps": 131072.0, "train/seconds": 3.2, "validation/env_steps": 98304.0})
    assert facts(page)["Training run"] == "131,072 environment steps in 3 s; kept policy at step 98,304"


class Recommending(World):
    """A world that recommends a recipe."""

    recipe = Recipe(override="experiment=best", algo="exact", words="exact gradients")


@pytest.mark.parametrize(
    ("world", "trial", "hint"),
    [
        (Recommending(), TRIAL, "battery-lab experiment=best: exact gradients"),
        (Recommending(), TRIAL.replace("algo: ppo", "algo: exact"), None),
        (Recommending(), TRIAL.replace("choices: {", "others: {"), None),
        (World(), TRIAL, None),
    ],
)
def test_report_names_the_recommended_recipe_to_other_algorithms(tmp_path: Path, world, trial: str, hint) -> None:
    write_run(tmp_path, trial)
    assert facts(write(tmp_path, world=world)).get("A better policy") == hint
