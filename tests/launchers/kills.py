"""Sweeps of tiny trials that are killed at random and gone on with: ``python -m tests.launchers.kills --runs 50``.

Each run is a sweep of its own, killed three times with SIGKILL: its driver or one of its trials, at a random moment, in
the middle of a line of its journal, of a checkpoint, or between the figures of a trial and its end. Half of the sweeps
try twice, and half find their data elsewhere in the end. Then the same command goes on to the end. What came out is
held to a sweep that nobody killed, and each trial to where it went on: from its last checkpoint, and never again once
it was done.
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

ROOT = Path(__file__).parents[2]
KILLER = Path(__file__).parent / "killer"
PATHS = [str(path) for path in (KILLER, ROOT, ROOT / "launchers")]
KILLS, TRIALS = 3, 4
RATES = ("1e-3", "3e-4")
MOVED = 0.5
DRAWN = 8  # kills at most that are tried, as some come when all is done
BUDGET = ("train.env_steps=4096", "train.checkpoint_every=1024", "train.validate_every=1024")
LOCAL = ("hydra.launcher.parallel=2",)
# Figures that differ from run to run, as they are of its time and not of its numbers.
TIMES = ("train/seconds", "train/env_steps_per_second", "time")


@dataclass(frozen=True)
class Kill:
    """A kill.

    Attributes:
        point: what ``killer/sitecustomize.py`` reads; empty: by time.
        after_s: seconds after the start, if by time.
        driver: whether the driver is killed then, and not one of its trials.
    """

    point: str = ""
    after_s: float = 0.0
    driver: bool = True


def drawn(generator: random.Random, whole_s: float, trials: int) -> Kill:
    """Draw a kill of a sweep of so many trials that takes so many seconds as a whole."""
    kind = generator.choice(["time", "time", "journal", "checkpoint", "named", "figures"])
    if kind == "time":
        # Not at its very end, which comes sooner where the machine is less busy than it was for the reference.
        return Kill(after_s=generator.uniform(0.5, 0.7 * whole_s), driver=generator.random() < 0.5)
    most = {"journal": 2 * trials, "checkpoint": 40, "named": 4, "figures": 1}[kind]
    share = generator.random() if kind == "journal" else generator.choice([0, 1])
    return Kill(point=f"{kind}:{generator.randint(1, most)}:{share}")


class Sweep:
    """A sweep of tiny trials in a folder of its own."""

    def __init__(
        self, home: Path, budget: Sequence[str] = BUDGET, launcher: Sequence[str] = LOCAL, trials: int = TRIALS
    ) -> None:
        """Make the folder and its market.

        Args:
            home: the folder.
            budget: choices of how long trials are.
            launcher: choices of where they run.
            trials: two or four.
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
        """Give the command, with variables of its environment, behind what has it run elsewhere."""
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | environment
        with (self.home / "said").open("ab") as said:
            command = [*enter, *self.command]
            return subprocess.Popen(command, cwd=self.home, env=variables, stdout=said, stderr=said)

    def killed(self, kill: Kill) -> bool:
        """Give the command and kill it, or one of its trials; returns whether the kill came before all was done."""
        before, process = len(self.events()), self.start(KILL=kill.point)
        if not kill.point:
            time.sleep(kill.after_s)
            victims = [process.pid] if kill.driver else trials_of(process.pid)
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
        """Return what the journal says, without what a kill tore."""
        path = self.folder / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if _whole(line)]

    def move_data(self) -> None:
        """Have the market's prices lie elsewhere, and say so in the command."""
        (place,) = (n for n, choice in enumerate(self.command) if choice.startswith("market.path="))
        moved = self.home / "moved.csv"
        Path(self.command[place].partition("=")[2]).rename(moved)
        self.command[place] = f"market.path={moved}"

    def places(self) -> dict[int, int | None]:
        """Return where each trial has to go on, once none runs any more: None where it is done."""
        deadline = time.monotonic() + 120
        while any(is_locked(self.folder / str(number)) for number in range(self.trials)):
            assert time.monotonic() < deadline, "a trial outlived its launcher"
            time.sleep(0.1)
        folders = [self.folder / str(number) for number in range(self.trials)]
        return {n: None if read_result(f) is not None else checkpoint_steps(f) or 0 for n, f in enumerate(folders)}

    def check_begins(self, places: dict[int, int | None], since: int) -> None:
        """Hold the first try of each trial after so many events to where it had to go on."""
        begun: dict[int, int] = {}
        for event in self.events()[since:]:
            if event["event"] == "begun":
                begun.setdefault(event["number"], event["env_steps"])
        assert begun.items() <= places.items(), f"trials went on from {begun} instead of {places}"

    def outcome(self) -> dict[str, Any]:
        """Return what came out: figures and curves of each trial, and the store's runs."""
        figures = {number: _figures(self.folder / str(number)) for number in range(self.trials)}
        return {"figures": figures, "runs": _runs(self.home)}


def trials_of(driver: int) -> list[int]:
    """Return the processes of trials that a driver started."""
    children = Path(f"/proc/{driver}/task/{driver}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def _figures(trial: Path) -> dict[str, Any]:
    figures = json.loads((trial / "metrics.json").read_text())
    lines = [json.loads(line) for line in (trial / "curves.jsonl").read_text().splitlines()]
    plain = [{name: value for name, value in line.items() if name not in TIMES} for line in lines]
    return {"metrics": {name: value for name, value in figures.items() if name not in TIMES}, "curves": plain}


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
    """Return what comes out of a sweep that nobody kills, and the seconds that it takes."""
    sweep, begun = Sweep(home, budget, trials=trials), time.monotonic()
    assert sweep.start().wait(600) == 0, (home / "said").read_text()
    return sweep.outcome(), time.monotonic() - begun


def run(
    seed: int, home: Path, wanted: dict[str, Any], whole_s: float, trials: int = TRIALS, most: int = KILLS
) -> list[Kill]:
    """Kill a sweep some times, go on to its end, and hold what came out to what was wanted; returns the kills.

    Args:
        seed: of what is drawn.
        home: the folder of the sweep.
        wanted: what comes out where nobody kills.
        whole_s: seconds that this takes.
        trials: of the sweep.
        most: kills.

    Raises:
        AssertionError: something came out otherwise.
    """
    generator, sweep = random.Random(seed), Sweep(home, trials=trials)
    sweep.command.append(f"sweep.tries={generator.choice([1, 2])}")
    kills: list[Kill] = []
    for _ in range(DRAWN):
        kill, places, since = drawn(generator, whole_s, trials), sweep.places(), len(sweep.events())
        kills += [kill] if sweep.killed(kill) else []
        sweep.check_begins(places, since)
        if len(kills) == most or set(sweep.places().values()) == {None}:
            break
    assert kills, f"seed {seed}: nothing was killed"
    if generator.random() < MOVED:
        sweep.move_data()
    places, since = sweep.places(), len(sweep.events())
    status = sweep.start().wait(600)
    said = (home / "said").read_text(errors="replace")[-4000:]
    assert status == 0, f"seed {seed}, {kills}: {status}\n{said}"
    sweep.check_begins(places, since)
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
    """Kill so many sweeps, and say which did not come out as they should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="sweeps, each of a seed of its own")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="battery_lab_") as scratch:
        wanted, whole_s = reference(Path(scratch) / "whole")
        print(f"a sweep that nobody kills takes {whole_s:.0f} s", flush=True)
        for seed in range(options.first, options.first + options.runs):
            begun = time.monotonic()
            try:
                told = ", ".join(
                    kill.point or f"{kill.after_s:.1f} s"
                    for kill in run(seed, Path(scratch) / str(seed), wanted, whole_s)
                )
                print(f"seed {seed}: as it should, {time.monotonic() - begun:.0f} s ({told})", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"seed {seed}: {error}", flush=True)
    print(f"{options.runs - failed} of {options.runs} came out as they should")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
