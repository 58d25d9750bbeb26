"""The command line as a person meets it: what mistakes end in, how runs stop, go on, repeat and are judged again."""

from __future__ import annotations

import errno
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from battery_lab import __main__ as command_line
from battery_lab import checkpoint, evaluate
from battery_lab.errors import ConfigError
from battery_lab.experiment import Experiment
from battery_lab.mistakes import told
from battery_lab.training import Interrupted
from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market

ROOT = Path(__file__).parents[1]
TIMES = {"train/seconds", "train/env_steps_per_second"}


def tiny(folder: Path) -> list[str]:
    """The choices of a trial that takes about a second, with its outputs in the present folder."""
    market = [choice for choice in write_market(folder / "data") if not choice.startswith("outputs=")]
    return ["tracking=none", *market, *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK, "train.env_steps=1024"]


@dataclass
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


def command(patch: pytest.MonkeyPatch, home: Path, *arguments: str, main=command_line.main) -> Said:
    """Run a command in this process, which is quicker than another one, with its output in no terminal."""
    patch.chdir(home)
    patch.setattr(sys, "argv", ["battery_lab", *arguments])
    # Hydra's set-up of logging would close what pytest logs to.
    for module in ("hydra.core.utils", "hydra._internal.hydra", "hydra._internal.core_plugins.basic_launcher"):
        patch.setattr(importlib.import_module(module), "configure_log", lambda *_: None)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    return Said(status, out.getvalue(), err.getvalue())


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """Run `python -m battery_lab` with some arguments, from an empty folder."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return partial(command, monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run made by the command itself."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        said = command(patch, home, *tiny(home))
    (folder,) = (home / "outputs" / "runs").iterdir()
    return SimpleNamespace(home=home, folder=folder, status=said.status, out=said.out, err=said.err)


def start(home: Path, *arguments: str, module: str = "battery_lab", **env: str) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    clean = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=home, env=clean | path | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def like(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, in which .* stands for anything and nothing else is special."""
    return bool(re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split(".*")), text))


def figures(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "metrics.json").read_text())
    return {key: value for key, value in found.items() if key not in TIMES}


# --- mistakes in the choices ---

MISTAKES = [
    ("algo=pppo", "algo=pppo is no option: algo can be dqn, ppo, sac; did you mean algo=ppo?"),
    ("algo=null", "algo=null is no option: algo can be dqn, ppo, sac"),
    ("train=5", "train=5 is no option: train can be default"),
    ("+reward/term=[waer]", "reward/term=waer is no option: reward/term can be .*; did you mean reward/term=wear?"),
    ("algoo=ppo", "algoo is no option: there are algo, .*; did you mean algo?"),
    ("algoo.lr=1", "algoo.lr is no option: .*; did you mean algo.lr?"),
    ("algo.lrr=1", "algo.lrr is no option: algo has clip, .*; did you mean algo.lr?"),
    ("+algo.lrr=1", "algo.lrr is no option of battery_lab.algos.ppo.PPO, .*; did you mean algo.lr?"),
    ("battery.wear=3", "battery.wear is no option: .*; did you mean battery.wear_per_mwh?"),
    ("wear_per_mwh=3", "wear_per_mwh is no option: .*; did you mean battery.wear_per_mwh?"),
    (
        "env.baselines.rule.low=0.1",
        "env.baselines.rule.low is no option: .* did you mean env.baselines.rule.low_quantile?",
    ),
    ("seed.x=1", "seed.x is no option: seed is a single value, so write seed=..."),
    ("+algo.lr=1", "algo.lr is there already: write algo.lr=... without the +"),
    ("~algo.lrr", "~algo.lrr: algo.lrr is no option: .*; did you mean algo.lr?"),
    ("~algo.lr", "algo.lr is missing: battery_lab.algos.ppo.PPO needs it, so name it in the YAML of algo"),
    ("~algo", "algo must be chosen: algo=... can be dqn, ppo, sac"),
    ("ppo", "'ppo' cannot be read: write key=value.*"),
    ("market.path=a,b)", "'market.path=a,b)' cannot be read: write key=value, and quote .*"),
    ("--seed=1", "--seed=1 is no flag: choices are written without dashes, as seed=...; .*"),
    ("seed=-1", "seed must be a whole number from 0, got -1"),
    ("train.env_steps=abc", "train.env_steps must be a whole number, got 'abc'"),
    ("train.env_steps=0", "train.env_steps must be a whole number from 1, got 0"),
    ("battery.power_mw=-3", "battery.power_mw must be greater than 0 MW, got -3"),
    ("market=aemo", "market.path must be given: add market.path=... to the command"),
    (
        "market=aemo market.path=nowhere/x.csv",
        "market.path=nowhere/x.csv: no such file, folder or glob, seen from .*",
    ),
    ("algo=dqn env.actions=continuous", "env.actions=continuous cannot be learned by algo=dqn, .* set env.actions=.*"),
    ("outputs=${nothing}", "hydra.run.dir cannot be resolved: Interpolation key 'nothing' not found"),
    ("resume=nowhere", "resume=nowhere must name a run folder that holds trial.yaml, and it holds none"),
    ("rerun=nowhere", "rerun=nowhere must name a run folder that holds trial.yaml, and it holds none"),
    ("resume=a rerun=b", "resume=a and rerun=b cannot be had together: leave one out"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[arguments for arguments, _ in MISTAKES])
def test_a_mistake_ends_in_one_message_that_names_it(lab, tmp_path: Path, arguments: str, message: str):
    said = lab(*arguments.split())
    assert said.status == 1
    assert like(f"error: {message}\n", said.err), said.err
    assert "Traceback" not in said.out
    # No folder is left of a run that did not begin.
    assert list(tmp_path.glob("outputs/runs/*")) == []


def test_names_are_looked_up_among_what_was_chosen(lab):
    assert "did you mean algo.actor_lr?" in lab("algo=sac", "algo.actor_lrr=1").err


def test_names_are_looked_up_in_the_users_own_options_too(lab, tmp_path: Path):
    option = tmp_path / "mine" / "algo" / "slow.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("defaults:\n  - ppo\n  - _self_\nslowness: 3\n")
    said = lab("--config-dir", "mine", "algo=slow", "algo.slownes=4")
    assert "did you mean algo.slowness?" in said.err
    said = lab("--config-dir", "mine", "algo=slw")
    assert said.err == "error: algo=slw is no option: algo can be dqn, ppo, sac, slow; did you mean algo=slow?\n"
    assert "--config-dir" not in lab("--config-dir", "mine", "algo=slow", "--cfg", "job").err


def test_a_folder_of_options_that_is_not_there_is_named(lab):
    said = lab("--config-dir", "mine", "algo=slow")
    assert said.status == 1
    assert re.fullmatch("error: Additional config directory '.*mine' not found\n", said.err)


def test_a_market_without_the_columns_that_a_feature_needs_is_refused_before_training(lab, tmp_path: Path):
    said = lab(*tiny(tmp_path), "observation=forecast")
    assert said.status == 1
    assert re.fullmatch("error: .*price_forecast.*\n", said.err), said.err
    assert "observation=" in said.err


def test_outputs_that_cannot_be_a_folder_are_named(lab, tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = lab("outputs=file")
    assert said.status == 1
    assert re.fullmatch("error: file/runs/.*: Not a directory. Choose another folder or file.*\n", said.err)


def test_a_mistake_in_a_sweep_is_told_too(lab):
    said = lab("-m", "battery.power_mw=-3,-4")
    assert said.status == 1
    assert said.err.splitlines()[-1] == "error: battery.power_mw must be greater than 0 MW, got -3"
    assert "Traceback" not in said.err


def test_a_traceback_is_shown_where_it_is_asked_for(lab, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError, match="battery.power_mw must be greater"):
        lab("battery.power_mw=-3")
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_an_error_of_the_labs_own_keeps_its_traceback(lab, monkeypatch):
    def broken(*arguments, **choices):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Experiment, "run", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        lab()
    assert "HYDRA_FULL_ERROR" not in os.environ


# --- help ---


def test_help_shows_commands_and_every_group_and_loads_nothing_heavy(tmp_path: Path):
    done = start(tmp_path, "--help", PYTHONPROFILEIMPORTTIME="1")
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0
    for words in (
        "resume=outputs/runs/<run>",
        "algo: dqn, ppo, sac",
        ".evaluate run=",
        "--config-dir",
        "reward/term: ",
    ):
        assert words in out
    assert max(len(line) for line in out.splitlines()) <= 120
    heavy = {"torch", "ray", "pandas", "numba", "mlflow", "gymnasium", "matplotlib", "pyarrow", "rich.console"}
    assert heavy & set(re.findall(r"\| +(\S+)$", err, re.MULTILINE)) == set()
    assert list(tmp_path.iterdir()) == []


def test_judging_again_explains_itself(lab):
    said = lab("--help", main=evaluate.main)
    assert said.status == 0
    assert "run=outputs/runs/<run>" in said.out


# --- a run, and again ---


def test_a_run_prints_plain_lines_where_there_is_no_terminal(finished):
    assert (finished.status, finished.err) == (0, "")
    assert "\x1b" not in finished.out
    lines = finished.out.splitlines()
    assert lines[0] == f"run folder: {finished.folder}"
    assert re.match(r" +[\d,]+ steps +[\d,]+/s +reward", lines[1])
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert any(line.split()[:1] == ["perfect_foresight"] for line in lines)


def test_a_run_folder_holds_what_was_chosen(finished):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_ppo_[0-9a-f]{6}", finished.folder.name)
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


# --- stopping ---


def test_a_run_that_is_stopped_saves_a_checkpoint_and_says_how_to_go_on(lab, monkeypatch, tmp_path: Path):
    process = start(tmp_path, *tiny(tmp_path), "train.env_steps=1e9", "train.checkpoint_every=1e9")
    seen = ""
    while " steps " not in seen:
        seen += process.stdout.readline()
    assert "\x1b" not in seen
    # `timeout` and others signal a process and its group: one wish that comes twice.
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    told_so = re.fullmatch(r"stopped by SIGTERM, with a checkpoint in \S+\ngo on with: (python .*)\n", err)
    assert told_so, err
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    done = checkpoint.latest(folder / "checkpoints")[1].env_steps
    resume = told_so[1].removeprefix("python -m battery_lab ")
    assert resume == f"resume={folder.relative_to(tmp_path)}"
    said = lab(resume, f"train.env_steps={done + 1}")
    assert said.status == 0
    assert figures(folder)["train/env_steps"] > done


def test_a_run_that_is_killed_goes_on_to_the_end_of_one_that_is_not(lab, tmp_path: Path):
    chosen = [*tiny(tmp_path), "train.env_steps=4096", "train.checkpoint_every=1024", "train.validate_every=1024"]
    whole, killed = (f"hydra.run.dir={tmp_path / name}" for name in ("whole", "killed"))
    assert lab(*chosen, whole).status == 0
    process = start(tmp_path, *chosen, killed)
    deadline = time.monotonic() + 120
    while not checkpoint.found(tmp_path / "killed" / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "metrics.json").exists()
    assert lab(f"resume={tmp_path / 'killed'}").status == 0
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")


def test_ctrl_c_ends_with_the_status_that_shells_expect(tmp_path: Path):
    (tmp_path / "checkpoints" / "000000000005").mkdir(parents=True)
    (tmp_path / "checkpoints" / "000000000005" / "state.json").write_text("{}")
    message, status = told(Interrupted(signal.SIGINT, tmp_path / "x"), tmp_path)
    assert status == 130
    assert message == f"stopped by SIGINT, with a checkpoint in {tmp_path / 'x'}\ngo on with: {resume(tmp_path)}"


def resume(folder: Path) -> str:
    return f"python -m battery_lab resume={folder}"


def test_ctrl_c_before_training_ends_without_traceback(lab, monkeypatch):
    def interrupted(*arguments, **choices):
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "run", interrupted)
    said = lab()
    assert (said.status, said.err) == (130, "stopped at once; no checkpoint was saved, so start again\n")


def test_a_full_disk_is_named_with_the_way_on(lab, monkeypatch, tmp_path: Path):
    sync, calls = checkpoint._sync, []

    def full(folder):
        calls.append(folder)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / "state"))
        sync(folder)

    monkeypatch.setattr(checkpoint, "_sync", full)
    said = lab(*tiny(tmp_path), "train.checkpoint_every=512")
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    assert said.status == 1
    way_on = re.escape(resume(folder.relative_to(tmp_path)))
    assert re.fullmatch(rf"error: no space left for \S+/state: free some, then go on with: {way_on}\n", said.err)


def test_a_full_disk_is_seen_through_what_came_of_it():
    try:
        try:
            raise OSError(errno.EDQUOT, "Disk quota exceeded", "weights")
        except OSError as error:
            raise RuntimeError("could not save") from error
    except RuntimeError as error:
        assert told(error) == ("error: no space left for weights: free some, then start again", 1)
    assert told(RuntimeError("could not save")) is None


# --- judging again ---


@pytest.fixture
def judge(lab, finished):
    """Run `.evaluate` on the finished run; returns the message and the figures of the newest judgement."""

    def run(*choices: str):
        said = lab(f"run={finished.folder}", *choices, main=evaluate.main)
        judged = sorted(finished.folder.glob("evaluations/*/metrics.json"))
        return said, json.loads(judged[-1].read_text()) if judged else {}

    return run


def test_judging_again_agrees_to_the_cent(judge, finished):
    said, again = judge()
    assert said.status == 0
    own = figures(finished.folder)
    assert {key: own[key] for key in again} == again


def test_judging_at_another_wear_price_changes_profit_and_not_revenue(judge, finished):
    said, again = judge("battery.wear_per_mwh=25")
    own, key = figures(finished.folder), "test/{}_per_day"
    assert again[key.format("revenue")] == pytest.approx(own[key.format("revenue")])
    wear, at_25 = (x[key.format("revenue")] - x[key.format("profit")] for x in (own, again))
    assert at_25 == pytest.approx(2.5 * wear)


def test_judging_on_another_market_takes_that_markets_prices(judge, finished, tmp_path: Path):
    other = [choice for choice in write_market(tmp_path / "other", seed=5) if not choice.startswith("outputs=")]
    said, again = judge(*other)
    assert said.status == 0, said.err
    best = "baseline/perfect_foresight/profit_per_day"
    assert again[best] != figures(finished.folder)[best]
    newest = sorted(finished.folder.glob("evaluations/*"))[-1]
    assert json.loads((newest / "choices.json").read_text())["market"] == "table"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["battery.wear=3"], "battery.wear is no option: .*; did you mean battery.wear_per_mwh?"),
        (["batery.power_mw=3"], "batery.power_mw is no option: .*; did you mean battery.power_mw?"),
        (["battery.power_mw=x"], "battery.power_mw must be a number, got 'x'"),
        (["battery.power_mw=-1"], "battery.power_mw must be greater than 0 MW, got -1"),
        (["algo.lr=1"], "algo.lr cannot change, as the policy is trained already: .evaluate takes market, battery, .*"),
        (["observation=window"], "observation cannot change, as the policy is trained already: .*"),
        (["market=aemoo"], "market=aemoo is no option: market can be aemo, .*; did you mean market=aemo?"),
        (["market=aemo"], "market.path must be given: add market.path=... to the command"),
        (["market=aemo", "market.path=no"], "market.path=no: no such file, folder or glob, seen from .*"),
        (["battery"], "'battery' must be written as key=value, .*"),
    ],
)
def test_a_mistake_in_judging_ends_in_one_message(judge, choices: list[str], message: str):
    said, _ = judge(*choices)
    assert said.status == 1
    assert like(f"error: {message}\n", said.err), said.err


def test_a_mistake_in_judging_is_all_that_another_process_says(finished):
    process = start(finished.home, f"run={finished.folder}", "market=aemo", module="battery_lab.evaluate")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == "error: market.path must be given: add market.path=... to the command\n"


def test_judging_wants_a_run(lab, tmp_path: Path):
    assert lab("market=aemo", main=evaluate.main).err.startswith("error: run=<folder> must name the folder of a run")
    said = lab(f"run={tmp_path}", main=evaluate.main)
    assert said.err == f"error: run={tmp_path} must name a run folder that holds trial.yaml, and it holds none\n"
