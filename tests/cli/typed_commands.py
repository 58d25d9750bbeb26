"""Commands as typed at a terminal, in this process or in one of their own."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from battery_lab.cli.main import main
from battery_lab.common.stop_signals import SIGNALS
from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market

ROOT = Path(__file__).parents[2]
TIMES = {"train/seconds", "train/env_steps_per_second"}
HEAVY = {"torch", "ray", "mlflow", "gymnasium", "matplotlib", "pyarrow"}


def tiny(folder: Path, algo: str = "ppo") -> list[str]:
    """Return the choices of a trial that takes about a second, with its outputs in the current folder."""
    market = [choice for choice in write_market(folder / "data") if not choice.startswith("outputs=")]
    return ["tracking=none", *market, *SMALL, *SMALL_ALGOS[algo], *SMALL_NETWORK, "train.env_steps=1024"]


@dataclass
class Output:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


def command(patch: pytest.MonkeyPatch, home: Path, *arguments: str) -> Output:
    """Run a command in this process, which is faster than a new one, and capture its output."""
    patch.chdir(home)
    patch.setattr(sys, "argv", ["battery_lab", *arguments])
    patch.setattr(sys, "orig_argv", ["python", "-m", "battery_lab", *arguments])
    # Hydra's set-up of logging would close what pytest logs to.
    for module in ("hydra.core.utils", "hydra._internal.hydra", "hydra._internal.core_plugins.basic_launcher"):
        patch.setattr(importlib.import_module(module), "configure_log", lambda *_: None)
    out, err, status = io.StringIO(), io.StringIO(), 0
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        finally:
            # A stopped command keeps its signal handlers until its process ends.
            for number, handler in before.items():
                signal.signal(number, handler)
    return Output(status, out.getvalue(), err.getvalue())


def start(home: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'launchers'}", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    clean = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    return subprocess.Popen(
        [sys.executable, "-m", "battery_lab", *arguments],
        cwd=home, env=clean | path | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def like(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, in which .* stands for anything and nothing else is special."""
    return bool(re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split(".*")), text))


def figures(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "metrics.json").read_text())
    return {key: value for key, value in found.items() if key not in TIMES}


def looks(folder: Path) -> list[str]:
    """Return the commands that looked at a run's test time."""
    return [json.loads(line)["command"] for line in (folder / "test_looks.jsonl").read_text().splitlines()]


def imported(text: str) -> set[str]:
    """Return the modules that a process imported, from the output of -X importtime."""
    return set(re.findall(r"\| +(\S+)$", text, re.MULTILINE))
