"""Sweeps: several values in one command run one trial each with --multirun, and are an error without."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest
from omegaconf import OmegaConf

from tests.cli.typed_commands import ROOT, like

README = (ROOT / "README.md").read_text()


def test_a_sweep_runs_each_algorithm_with_each_seed_and_records_its_options(sweep, tmp_path):
    output, taken = sweep("--multirun", "algo=ppo,sac", "seed=range(0,2)")
    assert (output.status, output.err) == (0, "")
    trials = [(type(experiment.algo).__name__, experiment.seed) for experiment in taken]
    assert trials == list(itertools.product(("PPO", "SAC"), range(2)))
    assert [experiment.config["choices"]["algo"] for experiment in taken] == ["ppo", "ppo", "sac", "sac"]
    stored = sorted(tmp_path.glob("outputs/sweeps/*/*/trial.yaml"))
    assert [OmegaConf.load(path).choices.algo for path in stored] == ["ppo", "ppo", "sac", "sac"]


@pytest.mark.walk
def test_every_sweep_of_the_readme_can_be_typed(sweep):
    lines = re.findall(r"battery-lab ((?:-m|--multirun) [^`#\n]+)", README)
    assert lines
    for line in lines:
        output, taken = sweep(*shlex.split(line))
        assert (output.status, output.err) == (0, ""), line
        assert len(taken) > 1, line
        taken.clear()


def test_a_pattern_and_a_choice_among_options_are_sweeps_too(sweep):
    _, taken = sweep("-m", "algo=glob(*,exclude=[bid_curves,sac])", "reward=choice(published,revenue)")
    trials = [(type(experiment.algo).__name__, experiment.config["choices"]["reward"]) for experiment in taken]
    assert trials == list(itertools.product(("DQN", "PPO"), ("published", "revenue")))


def test_a_sweep_varies_a_mapping_that_users_fill(sweep):
    table = ["market=table", "market.path=x.csv", "market.time_zone=UTC", "market.currency=EUR"]
    output, taken = sweep("-m", *table, "market.columns={demand_mw: load},{demand_mw: net_load}")
    assert (output.status, output.err) == (0, "")
    assert [experiment.config["market"]["columns"]["demand_mw"] for experiment in taken] == ["load", "net_load"]


def test_the_same_sweep_again_runs_what_is_new(sweep, tmp_path):
    output, taken = sweep("-m", "seed=3")
    assert (output.status, len(taken)) == (0, 1)
    (trial,) = tmp_path.glob("outputs/sweeps/*/0")
    (trial / "metrics.json").write_text('{"validation/capture": 0.0}')
    output, taken = sweep("-m", "seed=3", "sweep.tries=2")
    assert (output.status, len(taken)) == (0, 1)
    (folder,) = tmp_path.glob("outputs/sweeps/*")
    output, taken = sweep(f"sweep.resume={folder}", "seed=3,4")
    assert (output.status, [one.seed for one in taken]) == (0, [3, 4])
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["0", "1"]


def test_a_dry_run_prints_the_plan_and_leaves_no_files(sweep, tmp_path):
    output, taken = sweep("-m", "algo=ppo,dqn", "seed=0,1", "sweep.dry_run=true", "hydra.launcher.parallel=2")
    assert (output.status, output.err, taken) == (0, "", [])
    assert re.search(r"1 +algo=ppo +seed=1 +start +2,000,000 +1 core +\?", output.out), output.out
    assert re.search(r"3 +algo=dqn +seed=1 +start", output.out)
    assert "4 of 4 trials would run, 2 at a time; nothing was started" in output.out
    assert list(tmp_path.glob("outputs/sweeps/*")) == []


def test_a_dry_run_refuses_wrong_values_and_single_runs(sweep):
    output, _ = sweep("-m", "seed=0,1", "battery.power_mw=-1", "sweep.dry_run=true")
    assert (output.status, "battery.power_mw must be greater than 0" in output.err) == (1, True), output.err
    output, taken = sweep("sweep.dry_run=true")
    assert (output.status, taken) == (1, [])
    assert output.err.endswith("this is a single run: add --multirun\n")


def test_zip_varies_lists_together_and_repeats_seeds(sweep):
    output, taken = sweep("-m", "sweeper=zip", "algo.lr=1e-3,1e-4", "algo.gamma=0.9,0.99", "seed=0,1")
    assert (output.status, output.err) == (0, "")
    trials = [(one.algo.lr, one.algo.gamma, one.seed) for one in taken]
    assert trials == [(lr, gamma, seed) for lr, gamma in ((1e-3, 0.9), (1e-4, 0.99)) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "-m launcher=local,ray",
            "launcher=local,ray cannot be swept, as all trials of a sweep share one launcher: choose one of "
            "['local', 'ray']",
        ),
        ("-m sweeper=zip,grid", "sweeper=zip,grid cannot be swept, as all trials of a sweep share one sweeper: .*"),
        ("-m sweep.tries=1,2", "sweep.tries=1,2 cannot be swept, as all trials of a sweep share one sweep.tries: .*"),
        ("-m tracking=mlflow,none", "tracking=mlflow,none cannot be swept, as all trials of a sweep share .*"),
        ("-m outputs=a,b", "outputs=a,b cannot be swept, as all trials of a sweep share one outputs: .*"),
        ("-m sweep.tries=0", "sweep.tries must be a whole number, 1 or more, got 0"),
        ("-m sweep.tries=x", "sweep.tries must be a whole number, 1 or more, got 'x'"),
        ("-m sweep.on_failure=go", "sweep.on_failure must be one of continue, stop, got 'go'"),
        ("sweep.resume=nowhere", "sweep.resume=nowhere must name the folder of a sweep, which holds sweep.json"),
        ("-m seed=0 hydra.launcher.parallel=0", "hydra.launcher.parallel must be a whole number, 1 or more, got 0"),
        (
            "sweeper=tune algo.lr=interval(1e-5,1e-3)",
            "sweeper=tune runs its trials on a Ray cluster only: add launcher=ray",
        ),
        (
            "-m sweeper=zip algo.lr=1e-3,1e-4 algo.gamma=0.9,0.95,0.99",
            "sweeper=zip needs lists of equal length, but algo.lr has 2, algo.gamma has 3: make them equal, or use "
            "sweeper=grid",
        ),
        (
            "-m algo=ppo,saac",
            "algo=saac is not an option: algo can be bid_curves, dqn, ppo, sac; did you mean algo=sac?",
        ),
        ("-m algo=ppo,null", "algo=null is not an option: algo can be bid_curves, dqn, ppo, sac"),
        ("-m algo=range(1,3)", "algo=1 is not an option: algo can be bid_curves, dqn, ppo, sac"),
        (
            "reward=degradation,regret",
            "reward=degradation,regret has several values: add --multirun to run one trial per value",
        ),
        (
            "seed=1,2",
            "seed=1,2 has several values: add --multirun to run one trial per value; "
            'a list is "seed=[1,2]", and text with commas in it "seed=\'1,2\'"',
        ),
        (
            "seed=range(0,3)",
            "seed=range(0,3) has several values: add --multirun to run one trial per value",
        ),
    ],
)
def test_an_error_in_a_sweep_is_reported_before_any_trial(sweep, tmp_path, arguments: str, message: str):
    output, taken = sweep(*arguments.split())
    assert output.status == 1
    assert like(f"error: {message}\n", output.err), output.err
    assert not taken
    assert list(tmp_path.glob("outputs/*/*/*/.hydra")) == []


def test_a_sweep_continues_after_failed_trials_and_names_them(sweep, tmp_path):
    output, _ = sweep("-m", "battery.power_mw=-3,4,-5")
    assert output.status == 1
    first, second = (
        f"trial {number} (battery.power_mw={power}): battery.power_mw must be greater than 0 MW, got {power}"
        for number, power in ((0, -3), (2, -5))
    )
    # Each trial says so in its log as well, which is the launcher's own here.
    *_, last = output.err.splitlines()
    assert last.startswith(f"error: 2 of 3 trials failed: {first}; {second}. Their output is in ")
    assert "Traceback" not in output.err
    assert len(list(tmp_path.glob("outputs/sweeps/*/*/trial.yaml"))) == 1
