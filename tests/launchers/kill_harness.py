"""Kill test: sweeps of tiny trials, killed at random and resumed: ``python -m tests.launchers.kill_harness --runs 50``.

Each run is a separate sweep that is killed three times with SIGKILL: its launcher or one of its trials, at any time,
within a line of its journal, within a checkpoint, or between the metrics of a trial and its end. Half of the sweeps
have two attempts per trial, and half have their data moved before the last command. Then the same command runs to the
end. The results must equal those of a sweep that was not killed. Each trial must resume from its last checkpoint, and
must not run again once it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery_lab.sweep.trial_folder import checkpoint_steps, is_locked, read_result
from tests.compositions import SMALL, SMALL_ALGOS, SMALL_NETWORK, write_market
from tests.launchers.stub_hydra_app import children, is_template

ROOT = Path(__file__).parents[2]
KILL_POINTS = Path(__file__).parent / "kill_points"
PATHS = [str(path) for path in (KILL_POINTS, ROOT, ROOT / "launchers")]
KILLS, TRIALS = 3, 4
RATES = ("1e-3", "3e-4")
MOVE_PROBABILITY = 0.5  # of the data before the last command
MAX_DRAWS = 8  # some kills come after the sweep has finished and do not count
BUDGET = ("train.env_steps=4096", "train.checkpoint_every=1024", "train.validate_every=1024")
LOCAL = ("hydra.launcher.parallel=2",)
# Metrics that measure time, and differ between equal runs.
TIME_METRICS = ("train/seconds", "train/env_steps_per_second", "time")


@dataclass(frozen=True)
class Kill:
    """When a sweep is killed.

    Attributes:
        point: the value of ``KILL`` for ``kill_points/sitecustomize.py``. Empty: by time.
        after_s: seconds after the start, if by time.
        launcher: whether the launcher is killed, rather than one of its trials.
    """

    point: str = ""
    after_s: float = 0.0
    launcher: bool = True


def draw_kill(generator: random.Random, whole_s: float, trials: int) -> Kill:
    """Draw a kill of a sweep with this number of trials and this duration."""
    kind = generator.choice(["time", "time", "journal", "checkpoint", "rename", "metrics"])
    if kind == "time":
        # Not near the end, since the sweep may be faster than the reference was.
        return Kill(after_s=generator.uniform(0.5, 0.7 * whole_s), launcher=generator.random() < 0.5)
    highest = {"journal": 2 * trials, "checkpoint": 40, "rename": 4, "metrics": 1}[kind]
    share = generator.random() if kind == "journal" else generator.choice([0, 1])
    return Kill(point=f"{kind}:{generator.randint(1, highest)}:{share}")


class Sweep:
    """A sweep of tiny trials in its own folder."""

    def __init__(
        self, home: Path, budget: Sequence[str] = BUDGET, launcher: Sequence[str] = LOCAL, trials: int = TRIALS
    ) -> None:
        """Create the folder and its market data.

        Args:
            home: the folder.
            budget: overrides that set the length of trials.
            launcher: overrides that choose the launcher.
            trials: number of trials, two or four.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.trials = home, trials
        market = [choice for choice in write_market(home / "data") if not choice.startswith("outputs=")]
        self.folder = home / "outputs" / "sweeps" / "killed"
        choices = [*market, *SMALL, *SMALL_ALGOS["ppo"], *SMALL_NETWORK, "algo=ppo", "tracking.flush_every_s=0.5"]
        swept = ["seed=0,1", f"algo.lr={','.join(RATES[: trials // 2])}"]
        self.command = [sys.executable, "-m", "battery_lab", "--multirun", *choices, *budget, *swept, *launcher]
        self.command.append(f"hydra.sweep.dir={self.folder}")

    def start(self, enter: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Start the command.

        Args:
            enter: command prefix, such as one that enters a network namespace.
            environment: additional environment variables.
        """
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | environment
        with (self.home / "output.txt").open("ab") as output:
            command = [*enter, *self.command]
            return subprocess.Popen(command, cwd=self.home, env=variables, stdout=output, stderr=output)

    def kill_and_wait(self, kill: Kill) -> bool:
        """Run the command and kill it or one of its trials; return whether the kill came before the end."""
        before, process = len(self.events()), self.start(KILL=kill.point)
        if not kill.point:
            time.sleep(kill.after_s)
            victims = [process.pid] if kill.launcher else trials_of(process.pid)
            while not victims and process.poll() is None:
                time.sleep(0.05)  # until the first trial is there
                victims = trials_of(process.pid)
            for victim in victims[:1]:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
        process.wait(600)
        lost = [event for event in self.events()[before:] if "killed by SIGKILL" in str(event.get("reason"))]
        return process.returncode == -signal.SIGKILL or bool(lost)

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the journal, without torn lines."""
        path = self.folder / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if _whole(line)]

    def move_data(self) -> None:
        """Move the price file, and change its path in the command."""
        (place,) = (n for n, choice in enumerate(self.command) if choice.startswith("market.path="))
        moved = self.home / "moved.csv"
        Path(self.command[place].partition("=")[2]).rename(moved)
        self.command[place] = f"market.path={moved}"

    def resume_points(self) -> dict[int, int | None]:
        """Wait until no trial runs; return the steps that each must resume from. None: it is done."""
        deadline = time.monotonic() + 120
        while any(is_locked(self.folder / str(number)) for number in range(self.trials)):
            assert time.monotonic() < deadline, "a trial outlived its launcher"
            time.sleep(0.1)
        folders = [self.folder / str(number) for number in range(self.trials)]
        return {n: None if read_result(f) is not None else checkpoint_steps(f) or 0 for n, f in enumerate(folders)}

    def check_starts(self, expected: dict[int, int | None], since: int) -> None:
        """Check that the first attempt of each trial after this many events resumes from the expected steps."""
        started: dict[int, int] = {}
        for event in self.events()[since:]:
            if event["event"] == "started":
                started.setdefault(event["number"], event["env_steps"])
        assert started.items() <= expected.items(), f"trials resumed from {started} instead of {expected}"

    def outcome(self) -> dict[str, Any]:
        """Return the results: metrics and curves of each trial, and the runs in MLflow."""
        figures = {number: _figures(self.folder / str(number)) for number in range(self.trials)}
        return {"figures": figures, "runs": _runs(self.home)}


def trials_of(launcher: int) -> list[int]:
    """Return the process IDs of the trials that a launcher started."""
    return [child for child in children(launcher) if not is_template(child)]


def _figures(trial: Path) -> dict[str, Any]:
    figures = json.loads((trial / "metrics.json").read_text())
    lines = [json.loads(line) for line in (trial / "curves.jsonl").read_text().splitlines()]
    plain = [{name: value for name, value in line.items() if name not in TIME_METRICS} for line in lines]
    return {"metrics": {name: value for name, value in figures.items() if name not in TIME_METRICS}, "curves": plain}


def _runs(home: Path) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'outputs' / 'mlflow.db'}")
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return {
        "parents": [run.info.status for run in parents],
        "children": sorted((run.info.run_name, run.info.status) for run in children),
        "of": sorted({run.data.tags["mlflow.parentRunId"] for run in children}) == [run.info.run_id for run in parents],
        "captures": {run.info.run_name: run.data.metrics.get("validation/capture") for run in children},
    }


def reference(home: Path, budget: Sequence[str] = BUDGET, trials: int = TRIALS) -> tuple[dict[str, Any], float]:
    """Return the results of a sweep that is not killed, and its duration in seconds."""
    sweep, start = Sweep(home, budget, trials=trials), time.monotonic()
    assert sweep.start().wait(600) == 0, (home / "output.txt").read_text()
    return sweep.outcome(), time.monotonic() - start


def run(
    seed: int, home: Path, wanted: dict[str, Any], whole_s: float, trials: int = TRIALS, most: int = KILLS
) -> list[Kill]:
    """Kill a sweep several times, resume it to its end, and compare its results; return the kills.

    Args:
        seed: seed of the random kills.
        home: folder of the sweep.
        wanted: results of a sweep that is not killed.
        whole_s: duration of that sweep in seconds.
        trials: number of trials.
        most: number of kills.

    Raises:
        AssertionError: a result differs.
    """
    generator, sweep = random.Random(seed), Sweep(home, trials=trials)
    sweep.command.append(f"sweep.tries={generator.choice([1, 2])}")
    kills: list[Kill] = []
    for _ in range(MAX_DRAWS):
        kill, expected, since = draw_kill(generator, whole_s, trials), sweep.resume_points(), len(sweep.events())
        kills += [kill] if sweep.kill_and_wait(kill) else []
        sweep.check_starts(expected, since)
        if len(kills) == most or set(sweep.resume_points().values()) == {None}:
            break
    assert kills, f"seed {seed}: nothing was killed"
    if generator.random() < MOVE_PROBABILITY:
        sweep.move_data()
    expected, since = sweep.resume_points(), len(sweep.events())
    status = sweep.start().wait(600)
    output = (home / "output.txt").read_text(errors="replace")[-4000:]
    assert status == 0, f"seed {seed}, {kills}: {status}\n{output}"
    sweep.check_starts(expected, since)
    found = sweep.outcome()
    for part in wanted:
        assert found[part] == wanted[part], f"seed {seed}, {kills}: {part}\n{found[part]}\n{wanted[part]}"
    for number in range(trials):
        done = [e for e in sweep.events() if e["number"] == number and e.get("state") == "done"]
        assert len(done) == 1, f"seed {seed}, {kills}: trial {number} was done {len(done)} times"
    return kills


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill sweeps, and print which of them had different results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="number of sweeps, each with its own seed")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as scratch:
        wanted, whole_s = reference(Path(scratch) / "whole")
        print(f"a sweep that is not killed takes {whole_s:.0f} s", flush=True)
        for seed in range(options.first, options.first + options.runs):
            start = time.monotonic()
            try:
                kills = ", ".join(
                    kill.point or f"{kill.after_s:.1f} s"
                    for kill in run(seed, Path(scratch) / str(seed), wanted, whole_s)
                )
                print(f"seed {seed}: passed, {time.monotonic() - start:.0f} s ({kills})", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"seed {seed}: {error}", flush=True)
    print(f"{options.runs - failed} of {options.runs} passed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
