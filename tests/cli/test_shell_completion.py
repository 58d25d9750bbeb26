"""The completion of the shell: subcommands, and the overrides of train."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
