"""Training speed of the lab beside stock RLlib, Stable-Baselines3 and plain torch loops on the same workload.

python -m benchmarks.bench [--algos ppo,dqn,sac] [--part main|scaling|startup|passes|sweeps|capture|all]
                           [--repeats 5] [--seconds 60] [--threads CORES] [--implementations lab,sb3]
                           [--out outputs/bench.json]

Each implementation runs in a separate process, one at a time. All of them run once before any runs again, so that a
temporarily slow machine affects all alike. Parts: `main` compares all implementations, `scaling` increases the
workload, `startup` measures start, evaluation and whole short trials, `passes` the bid-curve learner by threads,
`sweeps` the overhead of sweeps, `capture` the training time to a validation capture. The columns of the tables:

    env steps/s   from the first step, including compilation and warm-up; off-policy from the time when the replay
                  memory is full and learning begins. Median of the repetitions (minimum to maximum).
    compiled      the same over the last half of that time, after compilation; the run is extended if necessary
    lab x         how many times faster the lab is, per repetition, with and without compilation (without: lab_compiled,
                  which uses its program early, where it is measured)
    of matmul     fraction of the speed that the workload's matrix products alone would allow with the same threads
    memory        peak memory of the process, plus that of its children (Ray's processes)
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

from benchmarks import bid_curve_threads, command_times, markdown_tables, sweep_overhead, time_to_capture
from benchmarks.clock_and_rates import MAX_TIME_RATIO, ratios, spread
from benchmarks.implementations import (
    ALL_IMPLEMENTATIONS,
    IMPLEMENTATIONS,
    LAB,
    LAB_COMPILED,
    MATMUL,
    TIME_FRACTION,
    Groups,
    available,
    main_groups,
    scaling_groups,
)

COUNTED, COMPILED = "env_steps_per_second", "env_steps_per_second_steady"
# By implementation, then by repetition: the output of benchmarks.run_implementation.
Runs = dict[str, dict[int, dict[str, Any]]]


def spawn(implementation: str, workload: Mapping[str, Any], seconds: float, threads: int) -> dict[str, Any]:
    """Run one implementation in a separate process.

    Raises:
        RuntimeError: it failed; the message contains the end of its output.
        subprocess.TimeoutExpired: it did not end, though a clock ends after ``MAX_TIME_RATIO`` times its seconds.
    """
    task = {"implementation": implementation, "seconds": seconds, "threads": threads, "workload": workload}
    with tempfile.TemporaryDirectory() as cache:
        # An empty cache, so that the cost of compilation is measured.
        environment = {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": cache}
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.run_implementation", json.dumps(task)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAX_TIME_RATIO * seconds + 600,
        )
    if process.returncode:
        raise RuntimeError(f"{implementation} failed on {workload}:\n{process.stderr[-3000:]}")
    return dict(json.loads(process.stdout.splitlines()[-1]))


def measure(groups: Groups, options: argparse.Namespace) -> tuple[dict[str, Runs], list[str]]:
    """Run every implementation of every group once per repetition; returns the results and the failures."""
    results: dict[str, Runs] = {group: {} for group in groups}
    failures: list[str] = []
    order = [
        (repeat, group, name) for repeat in range(options.repeats) for group in groups for name in groups[group][1]
    ]
    for number, (repeat, group, name) in enumerate(order, 1):
        prefix = f"[{number}/{len(order)}] {group} {name}"
        try:
            seconds = TIME_FRACTION.get(name, 1.0) * options.seconds
            result = spawn(name, groups[group][0] | {"seed": repeat}, seconds, options.threads)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failures.append(str(error))
            print(f"{prefix} failed", flush=True)
            continue
        results[group].setdefault(name, {})[repeat] = result
        print(f"{prefix}: {result[COUNTED]:,.0f} env steps/s", flush=True)
    return {group: runs for group, runs in results.items() if runs}, failures


def summarise(runs: Runs) -> dict[str, Any]:
    """Return the statistics of one group by implementation, with ratios if the lab is among them."""
    lab_runs = next((runs[name] for name in LAB if name in runs), {})
    summaries: dict[str, Any] = {}
    for name, repeats in runs.items():
        summary = summaries[name] = {COUNTED: spread(_values(repeats, COUNTED).values())}
        if name == MATMUL:
            continue
        for field in (COMPILED, "slowest_step_s", "memory_mb", "children_memory_mb"):
            summary[field] = spread(_values(repeats, field).values())
        for suffix, field, lab in (("", COUNTED, lab_runs), ("_steady", COMPILED, runs.get(LAB_COMPILED, lab_runs))):
            values = _values(repeats, field)
            if name not in LAB and lab.keys() & values.keys():
                summary[f"lab_ratio{suffix}"] = ratios(_values(lab, field), values)
            if values.keys() & runs.get(MATMUL, {}).keys():
                summary[f"matmul_share{suffix}"] = ratios(values, _values(runs[MATMUL], COUNTED))
    return summaries


def _values(repeats: Mapping[int, Mapping[str, Any]], field: str) -> dict[int, float]:
    return {repeat: float(result[field]) for repeat, result in repeats.items()}


def medians(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the median env steps/s including compilation by algorithm and implementation; scripts read these names."""
    return {
        group: {name: summary[COUNTED]["median"] for name, summary in implementations.items()}
        for group, implementations in summaries.items()
    }


def machine_info(options: argparse.Namespace) -> dict[str, Any]:
    """Return the machine and the settings of the measurement."""
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


def _names(text: str) -> list[str]:
    return text.split(",")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--algos", type=_names, default=list(IMPLEMENTATIONS), help="ppo,dqn,sac")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="main", help="what to measure")
    parser.add_argument("--repeats", type=int, default=5, help="repetitions of each implementation")
    parser.add_argument("--seconds", type=float, default=60, help="measuring time of each implementation")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="torch threads; default: cores"
    )
    parser.add_argument("--implementations", type=_names, help="only these, for example lab,sb3")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench.json"), help="output file")
    options = parser.parse_args(arguments)
    known = {
        "--algos": (options.algos, IMPLEMENTATIONS),
        "--implementations": (options.implementations or (), ALL_IMPLEMENTATIONS),
    }
    for flag, (requested, names) in known.items():
        if unknown := set(requested) - set(names):
            parser.error(f"{flag} must be among {', '.join(names)}, got {', '.join(sorted(unknown))}")
    for flag in ("repeats", "seconds", "threads"):
        if (value := getattr(options, flag)) <= 0:
            parser.error(f"--{flag} must be greater than 0, got {value}")
    return options


# JSON to store, text to print, and failures.
PartResult = tuple[dict[str, Any], str, list[str]]


def main_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Compare all implementations at one size."""
    runs, failures = measure(available(main_groups(options.algos), options.implementations), options)
    summaries = {group: summarise(results) for group, results in runs.items()}
    output = {**medians(summaries), "detail": summaries, "machine": dict.fromkeys(summaries, machine)}
    return output, markdown_tables.main_tables(summaries), failures


def scaling_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Compare the lab with stock RLlib on increasing workloads."""
    runs, failures = measure(available(scaling_groups(), options.implementations), options)
    summaries = {group: summarise(results) for group, results in runs.items()}
    return {"scaling": summaries, "scaling_machine": machine}, markdown_tables.scaling_table(summaries), failures


def startup_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Measure start and evaluation times."""
    try:
        seconds = command_times.measure((*options.algos, command_times.WITHOUT_RLLIB), options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"startup": seconds, "startup_machine": machine}, command_times.table(seconds), []


def passes_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Measure passes of the bid-curve learner by number of threads."""
    try:
        seconds = bid_curve_threads.measure(options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"passes": seconds, "passes_machine": machine}, bid_curve_threads.table(seconds), []


def sweeps_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Compare sweeps with separate commands for their trials."""
    try:
        seconds = sweep_overhead.measure(options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"sweeps": seconds, "sweeps_machine": machine}, sweep_overhead.table(seconds), []


def capture_part(options: argparse.Namespace, machine: dict[str, Any]) -> PartResult:
    """Measure the training time to a validation capture."""
    try:
        seconds = time_to_capture.measure(options.repeats)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {}, "", [str(error)]
    return {"capture": seconds, "capture_machine": machine}, time_to_capture.table(seconds), []


PARTS = {
    "main": main_part,
    "scaling": scaling_part,
    "startup": startup_part,
    "passes": passes_part,
    "sweeps": sweeps_part,
    "capture": capture_part,
}


def store(path: Path, output: dict[str, Any]) -> None:
    """Add figures to a file, and keep those of other parts and other algorithms."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    merged = {name: stored.get(name, {}) | output[name] for name in ("detail", "machine") if name in output}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored | output | merged, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and store part by part; returns 1 if anything failed."""
    options = parse(arguments)
    machine = machine_info(options)
    print(f"{machine['cpu']}, {machine['cores']} cores; {options.threads} torch threads per implementation", flush=True)
    failures: list[str] = []
    for name, part in PARTS.items():
        if options.part in (name, "all"):
            output, text, failed = part(options, machine)
            failures += failed
            print(text, flush=True)
            store(options.out, output)
    print(f"\nwritten to {options.out}", *failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
