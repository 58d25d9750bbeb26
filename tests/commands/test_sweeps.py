"""Several choices in one command: a trial of each with --multirun, and a word about it without."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest
from omegaconf import OmegaConf

from battery_lab.experiment import Experiment
from tests.commands.terminal import ROOT, like

README = (ROOT / "README.md").read_text()


@pytest.fixture
def sweep(lab, monkeypatch):
    """Run a sweep whose trials train nothing; returns what was said and the experiments."""
    taken: list[Experiment] = []
    monkeypatch.setattr(Experiment, "run", lambda self, folder, **_: taken.append(self) or {"validation/capture": 0.0})
    return lambda *arguments: (lab(*arguments, "tracking=none"), taken)


def test_a_sweep_runs_each_algorithm_with_each_seed(sweep):
    said, taken = sweep("--multirun", "algo=ppo,sac", "seed=range(0,3)")
    assert (said.status, said.err) == (0, "")
    trials = [(type(experiment.algo).__name__, experiment.seed) for experiment in taken]
    assert trials == list(itertools.product(("PPO", "SAC"), range(3)))


def test_every_sweep_of_the_readme_can_be_typed(sweep):
    lines = re.findall(r"python -m battery_lab ((?:-m|--multirun) [^`#\n]+)", README)
    assert lines
    for line in lines:
        said, taken = sweep(*shlex.split(line))
        assert (said.status, said.err) == (0, ""), line
        assert len(taken) > 1, line
        taken.clear()


def test_each_trial_of_a_sweep_says_what_it_was_composed_of(sweep, tmp_path):
    _, taken = sweep("-m", "reward=degradation,regret")
    assert [experiment.config["choices"]["reward"] for experiment in taken] == ["degradation", "regret"]
    stored = sorted(tmp_path.glob("outputs/sweeps/*/*/trial.yaml"))
    assert [OmegaConf.load(path).choices.reward for path in stored] == ["degradation", "regret"]


def test_a_pattern_and_a_choice_among_options_are_sweeps_too(sweep):
    _, taken = sweep("-m", "algo=glob(*)", "reward=choice(published,revenue)")
    assert {type(experiment.algo).__name__ for experiment in taken} >= {"DQN", "PPO", "SAC"}
    assert {experiment.config["choices"]["reward"] for experiment in taken} == {"published", "revenue"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-m algo=ppo,saac", "algo=saac is no option: algo can be dqn, ppo, sac; did you mean algo=sac?"),
        ("-m algo=ppo,null", "algo=null is no option: algo can be dqn, ppo, sac"),
        ("-m algo=range(1,3)", "algo=1 is no option: algo can be dqn, ppo, sac"),
        (
            "reward=degradation,regret",
            "reward=degradation,regret is more than one trial can take: with --multirun in front each makes a trial of "
            "its own",
        ),
        (
            "seed=1,2",
            "seed=1,2 is more than one trial can take: with --multirun in front each makes a trial of its own; "
            'a list is "seed=[1,2]", and text with commas in it "seed=\'1,2\'"',
        ),
        (
            "seed=range(0,3)",
            "seed=range(0,3) is more than one trial can take: with --multirun in front each makes a trial of its own",
        ),
    ],
)
def test_a_mistake_in_a_sweep_is_told_before_any_trial(sweep, tmp_path, arguments: str, message: str):
    said, taken = sweep(*arguments.split())
    assert said.status == 1
    assert like(f"error: {message}\n", said.err), said.err
    assert not taken
    assert list(tmp_path.glob("outputs/*/*/*/.hydra")) == []
