"""Errors in the choices of `battery-lab`: each ends in one message that says what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from battery_lab.cli.error_messages import exit_message
from battery_lab.common.errors import ConfigError, causes
from battery_lab.experiment.experiment import Experiment
from tests.cli.typed_commands import HEAVY, ROOT, imported, like, start, tiny

ERRORS = [
    ("algo=pppo", "algo=pppo is not an option: algo can be bid_curves, dqn, ppo, sac; did you mean algo=ppo?"),
    ("algo=", "algo= is not an option: algo can be bid_curves, dqn, ppo, sac"),
    ("algo=null", "algo=null is not an option: algo can be bid_curves, dqn, ppo, sac"),
    ("train=5", "train=5 is not an option: train can be default"),
    ("+reward/term=[waer]", "reward/term=waer is not an option: reward/term can be .*; did you mean reward/term=wear?"),
    (
        "reward=calm",
        "reward=calm is not an option: reward can be .*; to add your own, write <folder>/reward/calm.yaml and pass "
        "--config-dir <folder>",
    ),
    (
        "reward.terms.wear.weight=2",
        "reward.terms.wear.weight is not an option: reward.terms has regret; it exists with reward=degradation or "
        "reward=potential",
    ),
    ("rollout=stock rollout.compile=false", "rollout.compile is not an option: rollout has none; it exists with .*"),
    ("algo.clip=0.3 algo=sac", "algo.clip is not an option: algo has actor_lr, .*; it exists with algo=ppo"),
    ("algoo=ppo", "algoo is not an option: there are algo, .*; did you mean algo?"),
    ("algoo.lr=1", "algoo.lr is not an option: .*; did you mean algo.lr?"),
    ("algo.lrr=1", "algo.lrr is not an option: algo has clip, .*; did you mean algo.lr?"),
    ("+algo.lrr=1", "algo.lrr is not an option of PPO, .*; did you mean algo.lr?"),
    ("battery.wear=3", "battery.wear is not an option: .*; did you mean battery.wear_per_mwh?"),
    ("wear_per_mwh=3", "wear_per_mwh is not an option: .*; did you mean battery.wear_per_mwh?"),
    (
        "env.baselines.rule.low=0.1",
        "env.baselines.rule.low is not an option: .* did you mean env.baselines.rule.low_quantile?",
    ),
    ("seed.x=1", "seed.x is not an option: seed is a single value, so write seed=..."),
    ("+algo.lr=1", "algo.lr exists already: write algo.lr=... without the +"),
    ("~algo.lrr", "~algo.lrr: algo.lrr is not an option: .*; did you mean algo.lr?"),
    ("~algo.lr", "algo.lr is missing: PPO needs it, so set it in the YAML of algo"),
    ("~algo", "algo must be chosen: algo=... can be bid_curves, dqn, ppo, sac"),
    ("ppo", "'ppo' is not a command: battery-lab has audit, .*. Overrides are written as key=value."),
    ("evaluat run=x", "'evaluat' is not a command: .*; did you mean battery-lab evaluate? .*"),
    ("seed=1 ppo", "'ppo' cannot be read: write key=value.*"),
    ("market.path=a,b)", "'market.path=a,b)' cannot be read: write key=value, without spaces around =, and quote .*"),
    ("--seed=1", "--seed=1 is not a flag: overrides are written without dashes, as seed=...; .*"),
    ("seed=-1", "seed must be a whole number, 0 or more, got -1"),
    ("train.env_steps=abc", "train.env_steps must be a whole number, 1 or more, got 'abc'"),
    ("train.env_steps=1e99", "train.env_steps must be at most 1,000,000,000,000, got 1e+99"),
    (f"seed={2**32}", f"seed must be at most 4,294,967,295, got {2**32}"),
    (
        f"seed={'9' * 5000}",
        "seed must not hold a number of more than 4300 digits, got one of 5000: write it shorter, .*",
    ),
    ("battery.power_mw=1e99", "battery.power_mw must be at most 1,000,000 MW, got 1e+99"),
    ("battery.capacity_mwh=1e8", "battery.capacity_mwh must be at most 10,000,000 MWh, got 100000000.0"),
    ("={}", "'={}' cannot be read: a key is missing before the =, as in seed=1"),
    ("reward.gamma=1 battery._target_=..x", "battery._target_=..x cannot be imported: .*"),
    ("hydra=null", "Hydra cannot read the command hydra=null (ValueError: .* Got null): .*"),
    ("algo=[nan]", "algo=[nan] is not an option: algo can be .*"),
    ("algo=[ppo,1]", "algo=[ppo,1] is not an option: algo can be .*"),
    ("hydra=1", "Hydra cannot read the command hydra=1 (ValueError: Config group override must be a string .*): .*"),
    ("~market=false", "Hydra cannot read the command '~market=false' (ValueError: .*): correct or leave out .*"),
    ("observation.features.lags.minutes.x=1", "Hydra cannot read the command observation.*"),
    ("hydra.launcher=EUR -m", ".*, in the command -m hydra.launcher=EUR.*"),
    ("--cfg", "--cfg/-c: expected one argument; see battery-lab train --help"),
    ("--info nothing", "--info/-i: invalid choice: 'nothing' .*"),
    ("--resolve seed=1", "--resolve needs --cfg job, whose output it changes: add it, or leave --resolve out"),
    ("--package algo", "--package algo needs --cfg job, of which it shows a part: add it"),
    ("--cfg job --package nothing", "--package nothing is no part of the configuration: --cfg job shows all"),
    ("--cfg job --multirun", "--multirun and --cfg cannot be combined: leave one out"),
    ("-sc x", "--shell-completion needs one of install=<shell>, uninstall=<shell>, query=<shell>"),
    ("-m seed=range(1,1e9)", "seed=range(1,1e9) must have at most 100,000 values, got 999,999,999: choose fewer"),
    (f"market=aemo market.path={'x' * 5000}", "xxx.*: File name too long. Choose another folder or file, or .*"),
    (f"observation={'x' * 5000}", ".*xxx ... xxx.*"),
    ("env.market=5", "market must be one of the options of market, whose YAML names its class .*"),
    ("~market._target_", "market must be one of the options of market, whose YAML names its class with _target_: .*"),
    (
        "~network._target_",
        "network._target_ must name a class of network, which has encoder, got None: choose network=...",
    ),
    (
        "tracking=none tracking._target_=battery_lab.observations.calendar_features.HourOfDay",
        "tracking._target_ must name a class of tracking, which has start, got battery_lab.*: choose tracking=...",
    ),
    ("train.env_steps=0", "train.env_steps must be a whole number, 1 or more, got 0"),
    ("battery.power_mw=-3", "battery.power_mw must be greater than 0 MW, got -3"),
    ("market=aemo", "market.path must be given: add market.path=... to the command"),
    (
        "market=aemo market.path=nowhere/x.csv",
        "market.path=nowhere/x.csv: no such file, folder or glob, relative to .*",
    ),
    ("algo=dqn env.actions=continuous", "env.actions=continuous cannot be learned by algo=dqn, .* set env.actions=.*"),
    ("market.years=1", "market .* holds 365.0 days, and the split needs at least .*"),
    ("network=window_conv", "network=window_conv needs a time window, .* choose observation=window or .*"),
    ("outputs=${nothing}", "hydra.run.dir cannot be resolved: Interpolation key 'nothing' not found"),
    ("resume=nowhere", "resume=nowhere must name a run folder that holds trial.yaml, and it holds none"),
    ("rerun=nowhere", "rerun=nowhere must name a run folder that holds trial.yaml, and it holds none"),
    ("resume=a rerun=b", "resume=a and rerun=b cannot be combined: leave one out"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS, ids=[arguments for arguments, _ in ERRORS])
def test_an_error_ends_in_one_message_that_names_it(lab, tmp_path: Path, arguments: str, message: str):
    output = lab(*arguments.split())
    assert output.status == 1
    assert like(f"error: {message}\n", output.err), output.err
    assert output.out == ""
    # No folder is left of a run that did not begin.
    assert list(tmp_path.glob("outputs/runs/*")) == []


def test_names_are_looked_up_among_what_was_chosen(lab):
    assert "did you mean algo.actor_lr?" in lab("algo=sac", "algo.actor_lrr=1").err


def test_names_are_looked_up_in_the_users_own_options_too(lab, tmp_path: Path):
    option = tmp_path / "custom" / "algo" / "slow.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("defaults:\n  - ppo\n  - _self_\nslowness: 3\n")
    output = lab("--config-dir", "custom", "algo=slow", "algo.slownes=4")
    assert "did you mean algo.slowness?" in output.err
    output = lab("--config-dir", "custom", "algo=slw")
    names = "bid_curves, dqn, ppo, sac, slow"
    assert output.err == f"error: algo=slw is not an option: algo can be {names}; did you mean algo=slow?\n"
    assert "--config-dir" not in lab("--config-dir", "custom", "algo=slow", "--cfg", "job").err


@pytest.mark.parametrize(
    "choice",
    [
        "tracking.uri=http://me:secret@host:5000",
        "tracking.uri='https://host/?token=secret'",
        "tracking.artifacts=s3://me:secret@bucket/x",
        "market.path=https://me:secret@host/prices.csv",
    ],
)
@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_password_is_refused_before_anything_writes_it_down(lab, tmp_path: Path, flags: list[str], choice: str):
    output = lab(*flags, choice, "seed=1")
    assert output.status == 1
    assert output.err.startswith(f"error: {choice.partition('=')[0]} must not contain a user, password or query")
    assert "secret" not in output.out + output.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("error")
def test_a_folder_of_options_that_is_not_there_is_named(lab, tmp_path: Path):
    output = lab("--config-dir", "custom", "algo=slow")
    assert output.status == 1
    assert output.err == f"error: --config-dir custom: no such folder, seen from {tmp_path}\n"


def test_a_market_without_the_columns_that_a_feature_needs_is_refused_before_training(lab, tmp_path: Path):
    output = lab(*tiny(tmp_path), "observation=forecast")
    assert output.status == 1
    assert re.fullmatch("error: .*price_forecast.*\n", output.err), output.err
    assert "observation=" in output.err


def test_outputs_that_cannot_be_a_folder_are_named(lab, tmp_path: Path):
    (tmp_path / "file").write_text("")
    output = lab("outputs=file")
    assert output.status == 1
    assert re.fullmatch("error: file/runs/.*: Not a directory. Choose another folder or file.*\n", output.err)


@pytest.mark.parametrize("text", ["algo: [", "- a list", "", "\x00"])
def test_a_damaged_trial_is_named(lab, tmp_path: Path, text: str):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "trial.yaml").write_text(text)
    for again in ("resume", "rerun"):
        output = lab(f"{again}=run")
        assert output.status == 1
        assert re.fullmatch(r"error: run/trial\.yaml is damaged \(.*\): restore it from a backup, or .*\n", output.err)


def test_a_traceback_is_shown_on_request(lab, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError, match="battery.power_mw must be greater"):
        lab("battery.power_mw=-3")
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_an_unexpected_error_keeps_its_traceback(lab, monkeypatch):
    def broken(*arguments, **choices):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Experiment, "run", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        lab()
    assert "HYDRA_FULL_ERROR" not in os.environ


@pytest.mark.walk
@pytest.mark.parametrize("choice", ["seed=one", "train.env_steps=2M", "train.env_steps=0"])
def test_a_wrong_plain_value_is_reported_before_heavy_imports(tmp_path: Path, choice: str):
    _, err = start(tmp_path, choice, PYTHONPROFILEIMPORTTIME="1").communicate(timeout=60)
    assert f"error: {choice.partition('=')[0]} must be" in err
    assert (HEAVY | {"numba", "pandas"}) & imported(err) == set()


@pytest.mark.walk
def test_a_wrong_battery_is_reported_before_torch_and_ray_are_imported(tmp_path: Path):
    _, err = start(tmp_path, "battery.capacity_mwh=-4", PYTHONPROFILEIMPORTTIME="1").communicate(timeout=60)
    assert "error: battery.capacity_mwh must be greater than 0 MWh, got -4" in err
    assert {"torch", "ray", "mlflow"} & imported(err) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["seed=1"], ["evaluate", "--help"], ["sync", "run=x"]])
def test_a_python_without_the_labs_packages_says_so(tmp_path: Path, arguments: list[str]):
    bare = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-m", "battery_lab", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: \S+ lacks .*source \.venv/bin/activate.*\n", done.stderr), done.stderr


def test_an_error_raised_again_out_of_what_it_caused_keeps_its_message():
    first = ConfigError("seed must be smaller")
    try:
        try:
            raise RuntimeError("could not build") from first
        except RuntimeError as error:
            assert list(causes(error)) == [error, first]
            raise first from None
    except ConfigError as error:
        assert len(list(causes(error))) == 2
        assert exit_message(error) == ("error: seed must be smaller", 1)
