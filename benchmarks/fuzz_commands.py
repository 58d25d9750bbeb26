"""Fuzzed commands: thousands of right and wrong commands, none of which may end in a traceback, a hang or a riddle.

    python -m benchmarks.fuzz_commands --commands 10000 --seed 0 --workers 2     (make fuzz)
    python -m benchmarks.fuzz_commands --seed 0 --only 1234                      repeat one command

Commands run in the processes of workers. Most are composed, checked and built; some open their prices and build their
learner; a few train. A worker may use ``--memory-gb`` of memory, and is ended and replaced where it hangs. Prints the
outcomes, and those that are wrong to ``--log``; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STALLED_S = 900.0
POLL_S = 0.2


def main() -> None:
    """Run the commands and print what came of them."""
    chosen = _arguments()
    if chosen.only is not None:
        _work(chosen, [chosen.only])
    elif chosen.worker is not None:
        _work(chosen, range(chosen.worker, chosen.commands, chosen.workers))
    else:
        sys.exit(_lead(chosen))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=10_000, help="number of commands")
    parser.add_argument("--first", type=int, default=0, help="number of the first command, to continue an earlier run")
    parser.add_argument("--seed", type=int, default=0, help="seed of all commands")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--memory-gb", type=float, default=6.0, help="memory that a worker may allocate")
    parser.add_argument("--log", type=Path, default=Path("build/fuzz.jsonl"), help="file of the wrong outcomes")
    parser.add_argument("--only", type=int, help="number of the only command to run")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


# --- a worker ---


def _work(chosen: argparse.Namespace, numbers: Any) -> None:
    """Run commands and print one JSON line before and after each."""
    from benchmarks.fuzzing.execution import execute, light_lab, make_places
    from benchmarks.fuzzing.grammar import draw_command

    limit = int(chosen.memory_gb * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    with tempfile.TemporaryDirectory() as folder:
        places = make_places((chosen.home or Path(folder)) / "a" / "b" / "home")
        with light_lab():
            for number in numbers:
                command = draw_command(random.Random(f"{chosen.seed}/{number}"), places)
                record = {"number": number, "depth": command.depth.value, "command": shlex.join(command.arguments)}
                print(json.dumps(record), file=out)
                started = time.perf_counter()
                outcome = execute(command, places)
                seconds = round(time.perf_counter() - started, 3)
                record |= {"kind": outcome.kind, "seconds": seconds, "text": outcome.text[-6000:]}
                print(json.dumps(record), file=out)


# --- the leader ---


class _Worker:
    """A worker process and the command that it is at; it is replaced where it ends or hangs."""

    def __init__(self, chosen: argparse.Namespace, place: int, home: Path) -> None:
        self._chosen, self._place, self._home = chosen, place, home
        self._next, self._read, self.current = chosen.first + place, 0, dict[str, Any]()
        self._start()

    def _start(self) -> None:
        self._file = self._home / f"worker_{self._place}_{self._next}.jsonl"
        self._heard, self._read = time.monotonic(), 0
        options = {
            "--commands": self._chosen.commands,
            "--seed": self._chosen.seed,
            "--workers": self._chosen.workers,
            "--memory-gb": self._chosen.memory_gb,
            "--worker": self._next,
            "--home": self._home / str(self._place),
        }
        words = [str(word) for option in options.items() for word in option]
        quiet = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        with self._file.open("w") as out, (self._home / f"worker_{self._place}.err").open("a") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.fuzz_commands", *words],
                cwd=ROOT, stdout=out, stderr=err, env=os.environ | quiet, start_new_session=True,
            )  # fmt: skip

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """Yield the outcomes since the last call, and replace the worker if it ended early or hangs."""
        yield from self._lines()
        ended = self.process.poll() is not None
        stalled = time.monotonic() - self._heard > STALLED_S
        if (ended or stalled) and self._next < self._chosen.commands:
            if stalled:
                self.process.kill()
            self.process.wait()
            yield from self._lines()
            if self.current:
                kind = "hang" if stalled else "traceback"
                yield self.current | {
                    "kind": kind,
                    "seconds": 0.0,
                    "text": f"the process ended: {self.process.returncode}",
                }
                self._next = self.current["number"] + self._chosen.workers
            elif ended and self._next < self._chosen.commands:
                raise SystemExit(f"a worker cannot start, see {self._home}/worker_{self._place}.err")
            self.current = {}
            if self._next < self._chosen.commands:
                self._start()

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self._file.open() as file:
            file.seek(self._read)
            while (line := file.readline()).endswith("\n"):
                self._read, self._heard = file.tell(), time.monotonic()
                record = json.loads(line)
                self.current = {} if "kind" in record else record
                if "kind" in record:
                    self._next = record["number"] + self._chosen.workers
                    yield record

    @property
    def done(self) -> bool:
        """Whether all commands of this worker ran."""
        return self._next >= self._chosen.commands


def _lead(chosen: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the workers, too
    counts, wrong, started = Counter[str](), 0, time.monotonic()
    chosen.log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, chosen.log.open("w") as log:
        workers = [_Worker(chosen, place, Path(home)) for place in range(chosen.workers)]
        try:
            while not all(worker.done for worker in workers):
                for outcome in (outcome for worker in workers for outcome in worker.outcomes()):
                    counts[outcome["kind"]] += 1
                    if outcome["kind"] not in ("run", "message", "help"):
                        wrong += 1
                        print(json.dumps(outcome), file=log, flush=True)
                    if sum(counts.values()) % 500 == 0:
                        _report(counts, time.monotonic() - started)
                time.sleep(POLL_S)
        finally:
            for worker in workers:
                worker.process.kill()
    _report(counts, time.monotonic() - started)
    print(f"{wrong} wrong outcomes" + (f", see {chosen.log}" if wrong else ""))
    return 1 if wrong else 0


def _report(counts: Counter[str], seconds: float) -> None:
    parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    print(f"{sum(counts.values()):,} commands in {seconds:,.0f} s: {parts}", flush=True)


if __name__ == "__main__":
    main()
