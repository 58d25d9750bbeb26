"""How fast the lab trains, beside stock RLlib, Stable-Baselines3 and plain torch loops, on the same work.

python -m benchmarks.bench [--algos ppo,dqn,sac] [--part main|grow|waits|sweeps|all] [--repeats 5] [--seconds 60]
                           [--threads CORES] [--out outputs/bench.json]

Each side runs in a process of its own, one at a time, all of them once before any of them again, so that what else a
machine does hits all alike. What a line says:

    env steps/s   from the first step on, so that compilation and warming up count in (off-policy: once the replay
                  memory holds as much as everybody's, when learning begins); median of the repetitions, least to most
    compiled      the same of the last half of that time, when what had to be compiled is; if need be the run goes on
    lab x         how many times faster the lab is, repetition by repetition, compilation counted in, and without
                  (where there is a lab_compiled, which takes its program over early, that one)
    of matmul     share of what the matrix products of the same work alone would allow on the same threads
    memory        the most that the process held; and its children, which are Ray's
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import markdown_tables, startup_time, sweep_overhead
from benchmarks.implementations import (
    ALL_SIDES,
    LAB_COMPILED,
    MATMUL,
    OURS,
    SHORT,
    SIDES,
    Groups,
    available,
    grow_groups,
    main_groups,
)
from benchmarks.timing import LONGEST, ratios, spread

COUNTED, COMPILED = "env_steps_per_second", "env_steps_per_second_steady"
# By side, then by repetition: what benchmarks.run_implementation prints.
Runs = dict[str, dict[int, dict[str, Any]]]


def spawn(side: str, work: Mapping[str, Any], seconds: float, threads: int) -> dict[str, Any]:
    """Run one side in a process of its own.

    Raises:
        RuntimeError: it failed, with the end of what it wrote.
        subprocess.TimeoutExpired: it did not end; a clock runs for ``LONGEST`` times its seconds at most.
    """
    task = {"side": side, "seconds": seconds, "threads": threads, "work": work}
    with tempfile.TemporaryDirectory() as fresh:
        # Nothing compiled before is at hand, or its cost would not be seen.
        own = {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": fresh}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.run_implementation", json.dumps(task)],
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST * seconds + 600,
        )
    if done.returncode:
        raise RuntimeError(f"{side} failed on {work}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(groups: Groups, options: argparse.Namespace) -> tuple[dict[str, Runs], list[str]]:
    """Run every side of every group once, and then all again, as often as asked; returns failures beside the runs."""
    results: dict[str, Runs] = {name: {} for name in groups}
    failures: list[str] = []
    order = [(repeat, name, side) for repeat in range(options.repeats) for name in groups for side in groups[name][1]]
    for number, (repeat, name, side) in enumerate(order, 1):
        head = f"[{number}/{len(order)}] {name} {side}"
        try:
            seconds = SHORT.get(side, 1.0) * options.seconds
            result = spawn(side, groups[name][0] | {"seed": repeat}, seconds, options.threads)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failures.append(str(error))
            print(f"{head} failed", flush=True)
            continue
        results[name].setdefault(side, {})[repeat] = result
        print(f"{head}: {result[COUNTED]:,.0f} env steps/s", flush=True)
    return {name: runs for name, runs in results.items() if runs}, failures


def summary(runs: Runs) -> dict[str, Any]:
    """What the repetitions of one group say, by side; ratios where the lab is among them."""
    ours = next((runs[side] for side in OURS if side in runs), {})
    told: dict[str, Any] = {}
    for side, repeats in runs.items():
        counted = _values(repeats, COUNTED)
        told[side] = {COUNTED: spread(counted.values())}
        if side == MATMUL:
            continue
        for field in (COMPILED, "slowest_step_s", "memory_mb", "children_memory_mb"):
            told[side][field] = spread(_values(repeats, field).values())
        for name, field, lab in (("", COUNTED, ours), ("_steady", COMPILED, runs.get(LAB_COMPILED, ours))):
            theirs = _values(repeats, field)
            if side not in OURS and lab.keys() & theirs.keys():
                told[side][f"lab_ratio{name}"] = ratios(_values(lab, field), theirs)
            if theirs.keys() & runs.get(MATMUL, {}).keys():
                told[side][f"matmul_share{name}"] = ratios(theirs, _values(runs[MATMUL], COUNTED))
    return told


def _values(repeats: Mapping[int, Mapping[str, Any]], field: str) -> dict[int, float]:
    return {repeat: float(result[field]) for repeat, result in repeats.items()}


def medians(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The names that scripts rely on: by algorithm and side, median env steps/s with compilation counted in."""
    return {name: {side: told[COUNTED]["median"] for side, told in sides.items()} for name, sides in summaries.items()}


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """Where and how this was measured."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": options.threads,
        "seconds": options.seconds,
        "repeats": options.repeats,
        "load_before": os.getloadavg()[0],
        "command": " ".join(["python", "-m", "benchmarks.bench", *sys.argv[1:]]),
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--algos", type=lambda text: text.split(","), default=list(SIDES), help="ppo,dqn,sac")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="main", help="what is measured")
    parser.add_argument("--repeats", type=int, default=5, help="how often each side runs")
    parser.add_argument("--seconds", type=float, default=60, help="how long each side is timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of torch; all cores")
    parser.add_argument("--sides", type=lambda text: text.split(","), help="only these, for instance lab,sb3")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench.json"), help="where figures go")
    options = parser.parse_args(arguments)
    known = {"--algos": (options.algos, SIDES), "--sides": (options.sides or (), ALL_SIDES)}
    for flag, (asked, names) in known.items():
        if unknown := set(asked) - set(names):
            parser.error(f"{flag} knows {', '.join(names)}, not {', '.join(sorted(unknown))}")
    for flag in ("repeats", "seconds", "threads"):
        if (value := getattr(options, flag)) <= 0:
            parser.error(f"--{flag} must be above 0, got {value}")
    return options


# What to write, what to print, and what failed.
Found = tuple[dict[str, Any], str, list[str]]


def one_size(options: argparse.Namespace, about: dict[str, Any]) -> Found:
    """Compare all sides at one size."""
    runs, failures = measure(available(main_groups(options.algos), options.sides), options)
    found = {name: summary(sides) for name, sides in runs.items()}
    written = {**medians(found), "detail": found, "machine": dict.fromkeys(found, about)}
    return written, markdown_tables.main(found), failures


def growing(options: argparse.Namespace, about: dict[str, Any]) -> Found:
    """Compare the lab with stock RLlib on more and more work."""
    runs, failures = measure(available(grow_groups(), options.sides), options)
    found = {name: summary(sides) for name, sides in runs.items()}
    return {"grow": found, "grow_machine": about}, markdown_tables.grow(found), failures


def waiting(options: argparse.Namespace, about: dict[str, Any]) -> Found:
    """Time what is waited for beside training."""
    try:
        found = startup_time.measure(options.algos, options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"waits": found, "waits_machine": about}, startup_time.shown(found), []


def sweeping(options: argparse.Namespace, about: dict[str, Any]) -> Found:
    """Time sweeps beside the commands of their trials."""
    try:
        found = sweep_overhead.measure(options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"sweeps": found, "sweeps_machine": about}, sweep_overhead.shown(found), []


PARTS = {"main": one_size, "grow": growing, "waits": waiting, "sweeps": sweeping}


def store(out: Path, found: dict[str, Any]) -> None:
    """Add figures to a file; those of other algorithms stay, and so does what is told of how they were made."""
    written = json.loads(out.read_text()) if out.exists() else {}
    both = {name: written.get(name, {}) | found[name] for name in ("detail", "machine") if name in found}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(written | found | both, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write, part by part; returns 1 if anything failed."""
    options = parse(arguments)
    about = machine(options)
    print(f"{about['cpu']}, {about['cores']} cores; torch threads of every side: {options.threads}", flush=True)
    failures: list[str] = []
    for name, part in PARTS.items():
        if options.part in (name, "all"):
            found, told, failed = part(options, about)
            failures += failed
            print(told, flush=True)
            store(options.out, found)
    print(f"\nwritten to {options.out}", *failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
