"""The command `battery-lab`: its subcommands, their help and the completion of the shell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from battery_lab.cli import main as entry
from battery_lab.experiment.experiment import Experiment
from tests.cli.run_commands import start

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
    imported = set(re.findall(r"\| +(\S+)$", err, re.MULTILINE))
    assert out.startswith("battery-lab: ")
    assert not imported & {"hydra", "omegaconf", "mlflow", "torch", "ray", "numpy", "pandas", "numba", "pydantic"}


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("battery-lab ev", {"evaluate"}),
        ("battery-lab bi", {"bids"}),
        ("battery-lab bids market=a", {"market=aemo"}),
        ("battery-lab s", {"serve", "sweep", "sync", "sweeper=", "seed="}),
        ("battery-lab algo=", {"algo=bid_curves", "algo=dqn", "algo=ppo", "algo=sac"}),
        ("battery-lab train algo=", {"algo=bid_curves", "algo=dqn", "algo=ppo", "algo=sac"}),
        ("battery-lab train algo=sac tra", {"train=", "tracking="}),
        ("battery-lab evaluate market=a", {"market=aemo"}),
        ("battery-lab battery.wear", {"battery.wear_per_mwh="}),
        ("battery-lab sweep ", {"collect", "logs", "retry", "status"}),
        ("battery-lab sweep ret", {"retry"}),
    ],
)
def test_the_shell_completes_subcommands_and_overrides(lab, monkeypatch, line, expected):
    monkeypatch.setenv("COMP_LINE", line)
    message = lab("-sc", "query=bash")
    assert (message.status, message.err) == (0, "")
    completions = set(message.out.split())
    assert expected <= completions
    assert all(completion.startswith(line.split(" ")[-1]) for completion in completions)
    if " sweep " in line:
        assert completions == expected


def test_fish_reads_one_name_per_line(lab, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "battery-lab ex")
    assert lab("-sc", "query=fish").out.splitlines()[0] == "export"
    monkeypatch.setenv("COMP_LINE", "battery-lab sweep ")
    assert lab("-sc", "query=fish").out.splitlines() == ["collect", "logs", "retry", "status"]


@pytest.mark.walk
def test_bash_completes_the_options_of_a_group(tmp_path):
    """Bash evaluates the script that the command prints, and its function returns the options."""
    program = tmp_path / "battery-lab"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom battery_lab.cli.main import main\nsys.exit(main())\n")
    program.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(battery-lab train -sc install=bash)"; '
        'COMP_LINE="battery-lab train algo="; COMP_POINT=${#COMP_LINE}; COMP_CWORD=2; hydra_bash_completion; '
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "algo=bid_curves algo=dqn algo=ppo algo=sac\n", done.stderr
