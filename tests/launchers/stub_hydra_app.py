"""A small Hydra application whose trials do what a test asks for, swept by the lab's launchers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from hydra_plugins.battery_lab_launchers._template_process import PROCESS_NAME

from tests.cli.typed_commands import ROOT

APP = """
import os, pathlib, signal, sys, time
import hydra

@hydra.main(version_base="1.3", config_path=".", config_name="config")
def app(cfg):
    here = pathlib.Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    with (here / "processes").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    attempts = len((here / "processes").read_text().split())
    print("attempt", attempts)
    if cfg.does == "raise" or (cfg.does == "once" and attempts == 1):
        raise ValueError("no such thing")
    if cfg.does == "unpicklable":
        class Unpicklable(Exception):
            def __init__(self, name, code):
                super().__init__(f"{name} has {code}")
        raise Unpicklable("it", 3)
    if cfg.does == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    if cfg.does == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.does == "exit":
        sys.exit(7)
    if cfg.does == "cores":
        (here / "cores").write_text(" ".join(map(str, sorted(os.sched_getaffinity(0)))))
        time.sleep(1)
    if cfg.does == "wait":
        time.sleep(60)
    if cfg.does == "go":
        while not (here / "go").exists():
            time.sleep(0.02)
    if cfg.does == "state":
        import state
        (here / "state.json").write_text(state.as_json())
    if cfg.does == "nodes":
        import ray
        (here / "node").write_text(ray.get_runtime_context().get_node_id())
        time.sleep(5)
    return cfg.number / 2

app()
"""
CONFIG = """
defaults:
  - override hydra/launcher: battery_lab_local
  - _self_
does: nothing
number: 0
sweep: {resume: null, tries: 1, on_failure: continue, reuse: false, dry_run: false}
hydra:
  sweep:
    dir: sweep
"""
LOCAL = ("hydra/launcher=battery_lab_local", "hydra.launcher.parallel=1", "hydra.launcher.cores=null")
RAY = (
    "hydra/launcher=battery_lab_ray",
    *("hydra.launcher.address=local", "hydra.launcher.cpus=1", "hydra.launcher.gpus=0"),
)


class App:
    """A small Hydra application in a folder of its own."""

    def __init__(self, home: Path, launcher: tuple[str, ...] = LOCAL) -> None:
        self.home, self.launcher, self.sweep = home, launcher, "sweep"
        (home / "app.py").write_text(APP)
        (home / "config.yaml").write_text(CONFIG)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a sweep. An argument replaces the launcher's option of the same key."""
        keys = {argument.partition("=")[0] for argument in arguments}
        options = [option for option in self.launcher if option.partition("=")[0] not in keys]
        path = os.pathsep.join([str(ROOT), str(ROOT / "launchers")])
        return subprocess.Popen(
            [sys.executable, "app.py", "-m", *options, *arguments],
            cwd=self.home,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a sweep; return its exit status and output."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def trial(self, number: int) -> Path:
        return self.home / self.sweep / str(number)

    def outcomes(self) -> list[tuple[int, str, object]]:
        """Return number, state, and result or reason of each outcome in the journal."""
        lines = (self.home / self.sweep / "journal.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [(e["number"], e["state"], e["result"] or e["reason"]) for e in events if e["event"] == "finished"]

    def processes(self, number: int) -> list[int]:
        """Return the process IDs of a trial's attempts."""
        path = self.trial(number) / "processes"
        return [int(process) for process in path.read_text().split()] if path.exists() else []


def children(process: int) -> list[int]:
    """Return the process IDs of the children of a process, started by any of its threads."""
    with suppress(FileNotFoundError):
        lists = [(task / "children").read_text() for task in Path(f"/proc/{process}/task").iterdir()]
        return [int(child) for text in lists for child in text.split()]
    return []


def is_trial(process: int) -> bool:
    """Return whether a child of a launcher is a trial that was forked from a template."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{process}/comm").read_text().strip() == PROCESS_NAME
    return False


def is_template(process: int) -> bool:
    """Return whether a child of a launcher is a template of trials."""
    with suppress(FileNotFoundError):
        return not is_trial(process) and b"_template_process" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(process: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
