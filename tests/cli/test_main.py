"""The command `battery-lab`: its subcommands and their help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from battery_lab.cli import main as entry
from battery_lab.experiment.experiment import Experiment
from tests.cli.typed_commands import HEAVY, imported, start

COMMANDS = ["audit", "bids", "evaluate", "export", "serve", "sweep", "sync", "train"]


@pytest.fixture
def trained(monkeypatch):
    """The experiments that commands run, which train nothing."""
    experiments = []
    monkeypatch.setattr(
        Experiment, "run", lambda self, folder, **_: experiments.append(self) or {"validation/capture": 0.0}
    )
    return experiments


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_subcommand_with_a_summary(lab, flag):
    message = lab(flag)
    assert (message.status, message.err) == (0, "")
    listed = re.findall(r"^  (\w+)  +\w", message.out.partition("Commands:\n")[2], re.MULTILINE)
    assert set(COMMANDS) <= set(listed)
    assert max(len(line) for line in message.out.splitlines()) <= 120


@pytest.mark.parametrize(
    "command", [*(c for c in COMMANDS if c != "train"), *(f"sweep {c}" for c in ("status", "retry", "collect", "logs"))]
)
def test_each_subcommand_has_help_with_an_example(lab, command):
    message = lab(*command.split(), "--help")
    assert (message.status, message.err) == (0, "")
    assert message.out.startswith(f"battery-lab {command}: ")
    assert f"    battery-lab {command} " in message.out


@pytest.mark.parametrize("command", ["audit", "bids", "evaluate", "export", "serve", "sweep", "sync"])
def test_a_subcommand_that_needs_arguments_shows_its_help_without_any(lab, command):
    message = lab(command)
    assert (message.status, message.out) == (2, "")
    assert message.err == lab(command, "--help").out


def test_help_imports_no_heavy_library(tmp_path: Path):
    out, err = start(tmp_path, "--help", PYTHONPROFILEIMPORTTIME="1").communicate(timeout=60)
    assert out.startswith("battery-lab: ")
    assert not imported(err) & {"hydra", "omegaconf", "mlflow", "torch", "ray", "numpy", "pandas", "numba", "pydantic"}


@pytest.mark.parametrize("arguments", [["train"], []])
def test_overrides_without_a_subcommand_are_those_of_train(lab, trained, arguments):
    assert lab(*arguments, "tracking=none", "seed=3").status == 0
    assert [experiment.seed for experiment in trained] == [3]


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-c", "job"], ["train", "--cfg", "job"]])
def test_flags_of_hydra_need_no_subcommand(lab, flags):
    message = lab(*flags, "seed=3")
    assert message.status == 0
    assert "\nseed: 3\n" in message.out


@pytest.mark.parametrize("arguments", [["train", "--help"], ["--help", "algo=sac"], ["algo=sac", "--help"]])
def test_help_with_overrides_is_that_of_train(lab, arguments):
    assert "algo: bid_curves, dqn, ppo, sac" in lab(*arguments).out


def test_the_help_of_train_is_that_of_hydra(lab):
    assert lab("train", "--help").out == lab("train", "seed=0", "--help").out


def test_a_subcommand_is_a_file_that_is_found_by_its_name(lab, monkeypatch, tmp_path):
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "__init__.py").write_text('"""battery-lab: added."""')
    (tmp_path / "added" / "greet.py").write_text(
        '"""battery-lab greet: say hello."""\n\ndef main(arguments):\n    print("hello", *arguments)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(entry, "COMMANDS", tmp_path / "added")
    monkeypatch.setattr(entry, "MODULE", "added")
    assert "greet  say hello." in lab("--help").out
    assert lab("greet", "--any", "name=x").out == "hello --any name=x\n"


@pytest.mark.walk
def test_the_help_of_train_shows_every_group_without_heavy_imports(tmp_path: Path):
    done = start(tmp_path, "train", "--help", PYTHONPROFILEIMPORTTIME="1")
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0
    for words in (
        "resume=outputs/runs/<run>",
        "algo: bid_curves, dqn, ppo, sac",
        "battery-lab evaluate run=",
        "--config-dir",
        "reward/term: ",
    ):
        assert words in out
    # Hydra puts all options of a group on one line.
    assert max(len(line) for line in out.splitlines() if not re.match(r"[a-z/]+: ", line)) <= 120
    assert (HEAVY | {"pandas", "numba", "rich.console"}) & imported(err) == set()
    assert list(tmp_path.iterdir()) == []
